"""The layout of a drawing of an architecture: feature maps in a row, edges as lines and arcs.

Coordinates are (along, across): `along` runs from noise to image; `across` is 0 on the row of nodes, negative on the
side of the short residual arcs and positive on the side of the long ones. A renderer maps either one to the page's
horizontal axis.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from degas.figures.facts import EdgeFact
from degas.space.architecture import Architecture
from degas.space.graph import Slot

Point = tuple[float, float]  # (along, across)
ARC_FLARE = 0.13  # distance of an arc's control points from its ends, as a share of its span: larger is rounder


@dataclass(frozen=True)
class Lengths:
    """Lengths in the unit of the page (inches or pixels)."""

    step: float  # between the centres of neighbouring nodes
    node_along: float  # half a node, along the page
    node_across: float  # half the smallest node, across the row of nodes
    growth: float  # added to half a node across for every doubling of the resolution
    label_across: float  # half a label, across the row of nodes
    gap: float  # least free space between a node and a label, or two labels


@dataclass(frozen=True)
class Node:
    """A feature map, the noise, or the image."""

    name: str
    kind: str  # noise, up, normal, image
    note: str  # its size in words
    along: float
    half_along: float
    half_across: float


@dataclass(frozen=True)
class DrawnEdge:
    """An edge: straight from `start` to `end` when `bend` is empty, else a cubic curve with two control points."""

    fact: EdgeFact
    start: Point
    end: Point
    bend: tuple[Point, Point] | tuple[()]
    label: Point  # the middle of its label


@dataclass(frozen=True)
class Layout:
    """The whole drawing; it fills `along` × [`low`, `high`] across."""

    nodes: tuple[Node, ...]
    edges: tuple[DrawnEdge, ...]
    along: float
    low: float
    high: float

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)


def lay_out(architecture: Architecture, facts: Sequence[EdgeFact], sizes: Lengths) -> Layout:
    """Place the nodes and every possible edge of `architecture`."""
    nodes = _nodes(architecture, sizes)
    by_name = {node.name: node for node in nodes}
    edges = tuple(_edge(fact, by_name, architecture.num_normal, sizes) for fact in facts)
    # The outermost labels on either side, plus half a label, and the nodes themselves.
    widest = max(node.half_across for node in nodes)
    reach = sizes.label_across + sizes.gap
    low = min([-widest - sizes.gap, *(edge.label[1] - reach for edge in edges)])
    high = max([widest + sizes.gap, *(edge.label[1] + reach for edge in edges)])
    return Layout(nodes, edges, nodes[-1].along + sizes.step / 2, low, high)


def operation_lines(operation: str) -> tuple[str, ...]:
    """An operation's name for a label, in one or two lines: `nearest_conv_3x3` → `nearest`, `conv 3×3`."""
    text = re.sub(r"(\d)x(\d)", r"\1×\2", operation.replace("_", " "))
    spaces = [k for k, letter in enumerate(text) if letter == " "]
    if len(text) <= 8 or not spaces:
        return (text,)
    cut = min(spaces, key=lambda k: abs(k - len(text) / 2))
    return text[:cut], text[cut + 1 :]


def _nodes(architecture: Architecture, sizes: Lengths) -> tuple[Node, ...]:
    def node(name: str, kind: str, note: str, place: int, stage: int) -> Node:
        half = sizes.node_across + sizes.growth * stage
        return Node(name, kind, note, sizes.step * (place + 0.5), sizes.node_along, half)

    nodes = [node("noise", "noise", str(architecture.noise_size), 0, 0)]
    stage = 0
    doubled = {slot.target for slot in architecture.graph.slots if slot.direct and slot.kind == "up"}
    for place, name in enumerate(architecture.graph.nodes, start=1):
        stage += name in doubled
        pixels = architecture.base_size * 2**stage
        nodes.append(node(name, "up" if name.startswith("U") else "normal", f"{pixels}×{pixels}", place, stage))
    size = architecture.image_size
    nodes.append(node("image", "image", f"{size}×{size}×{architecture.channels}", len(nodes), stage))
    return tuple(nodes)


def _edge(fact: EdgeFact, nodes: dict[str, Node], num_normal: int, sizes: Lengths) -> DrawnEdge:
    source, target = nodes[fact.slot.source], nodes[fact.slot.target]
    if fact.slot.direct:
        left, right = source.along + source.half_along, target.along - target.half_along
        return DrawnEdge(fact, (left, 0.0), (right, 0.0), (), ((left + right) / 2, 0.0))
    side, level = _lane(fact.slot, source, target, num_normal, sizes)
    widest = max(node.half_across for node in nodes.values())
    reach = widest + sizes.gap + sizes.label_across + (level - 1) * (2 * sizes.label_across + sizes.gap)
    # An arc leaves towards its target and arrives from its source, so that two arcs at one node do not coincide.
    start = (source.along + 0.62 * source.half_along, side * source.half_across)
    end = (target.along - 0.62 * target.half_along, side * target.half_across)
    return _arc(fact, start, end, side * reach)


def _arc(fact: EdgeFact, start: Point, end: Point, apex: float) -> DrawnEdge:
    span = end[0] - start[0]
    # The middle of a cubic with both controls at c lies at (start + 6c + end) / 8 across: solve for c.
    control = (8 * apex - start[1] - end[1]) / 6
    bend = ((start[0] + ARC_FLARE * span, control), (end[0] - ARC_FLARE * span, control))
    return DrawnEdge(fact, start, end, bend, ((start[0] + end[0]) / 2, apex))


def _lane(slot: Slot, source: Node, target: Node, num_normal: int, sizes: Lengths) -> tuple[int, int]:
    """The side of a residual arc (−1 or 1) and its distance from the nodes in lanes (1, 2, …).

    Long arcs (×4) take one side, the others the other side, nested by span. With n = 0 there are only long ones, which
    alternate so that none cross.
    """
    steps = round((target.along - source.along) / sizes.step)
    if slot.factor > 2:
        alternates = num_normal == 0 and int(slot.target[1:]) % 2 == 0
        return (-1 if alternates else 1), 1
    return -1, max(1, steps - 1)
