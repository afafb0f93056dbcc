"""The decisions of an architecture with their options, and the architectures one decision away from it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import NO_EDGE, choices


@dataclass(frozen=True)
class Neighbour:
    """An architecture's edges with one decision changed to another option.

    `decision` and `option` have the names of `pruning.choices`: `N1 direct` and `conv_3x3`, `U1 residual` and `none`.
    """

    decision: str
    option: str
    edges: tuple[Edge, ...]


def decision_options(space: SearchSpace) -> dict[str, tuple[Edge | None, ...]]:
    """Decision → its options, in the order of the graph: 9 decisions in the paper's space.

    A node's direct edge takes one of its operations; its residual edge, where it may have one, is a source with an
    operation or None. Choosing all uniformly draws uniformly from the discrete space.
    """
    found: dict[str, tuple[Edge | None, ...]] = {}
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        found[f"{node} direct"] = tuple(Edge(direct.source, node, name) for name in space.operations(direct))
        others = [Edge(s.source, node, name) for s in residual for name in space.operations(s) if name != ZERO]
        if others:
            found[f"{node} residual"] = (None, *others)
    return found


def neighbours(edges: Sequence[Edge], space: SearchSpace) -> list[Neighbour]:
    """Return every architecture of `space` that differs from `edges` in one decision, in the order of the graph.

    `edges` may hold operations that the space does not offer; they stay where their decision is not the changed one.
    """
    place = {(slot.source, slot.target): number for number, slot in enumerate(space.slots)}
    found = []
    for decision, options in decision_options(space).items():
        node, part = decision.split(" ")
        direct = space.incoming(node)[0].source
        rest = [e for e in edges if e.target != node or (e.source == direct) != (part == "direct")]
        for option in options:
            kept = sorted([*rest, *([option] if option else [])], key=lambda e: place[e.source, e.target])
            if set(kept) != set(edges):
                found.append(Neighbour(decision, option_name(option, part), tuple(kept)))
    return found


def option_name(edge: Edge | None, part: str) -> str:
    """`conv_3x3` of a direct decision, `U0->U1 deconv_4x4` or `none` of a residual one."""
    if edge is None:
        return NO_EDGE
    return edge.operation if part == "direct" else f"{edge.source}->{edge.target} {edge.operation}"


def changed(edges: Sequence[Edge], others: Sequence[Edge], space: SearchSpace) -> dict[str, str]:
    """The decisions in which `others` differ from `edges`, each with the option of `others`."""
    before, after = choices(tuple(edges), space), choices(tuple(others), space)
    return {decision: option for decision, option in after.items() if option != before[decision]}
