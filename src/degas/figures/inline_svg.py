"""The drawing of an architecture as an inline SVG that runs down a page; edges react to pointer, touch and tab key.

Colours are the page's CSS variables. Every edge has its facts in `data-…` attributes for the page's script, and in
`aria-label` for screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from degas.figures.drawing import FIXED_FIRST, FIXED_LAST
from degas.figures.facts import EdgeFact
from degas.figures.layout import DrawnEdge, Layout, Lengths, Node, Point, lay_out, operation_lines
from degas.space.architecture import Architecture
from degas.space.graph import ZERO

SIZES = Lengths(step=96, node_along=23, node_across=38, growth=4, label_across=37, gap=12)
HEAD = 9.0  # pixels from the end of a kept edge's line to the tip of its arrow
LETTER, LINE = 6.3, 13.0  # width of a letter and height of a line in a label


def architecture_svg(facts: Sequence[EdgeFact], architecture: Architecture, prefix: str = "a") -> Markup:
    """The drawing of `edge_facts`; `prefix` separates its ids from those of other drawings on the page."""
    layout = lay_out(architecture, facts, SIZES)
    kept = sum(fact.kept for fact in facts)
    width, height = layout.high - layout.low, layout.along
    parts = [
        f'<svg class="ladder" viewBox="{layout.low:.0f} 0 {width:.0f} {height:.0f}" style="--w:{width:.0f}px" '
        f'role="group" aria-label="Architecture: {kept} kept edges of {len(facts)} possible, from noise to image">',
        _markers(prefix),
        *(_edge(edge, prefix) for edge in sorted(layout.edges, key=lambda edge: edge.fact.kept)),
        *_fixed(layout),
        *(_node(node) for node in layout.nodes),
        "</svg>",
    ]
    return Markup("".join(parts))


def fact_text(fact: EdgeFact) -> str:
    """An edge in one sentence, for screen readers and tooltips."""
    text = f"{fact.slot.source} to {fact.slot.target}, {'direct' if fact.slot.direct else 'residual'}"
    text += f", {'given' if fact.given else 'kept'}: {fact.operation}" if fact.kept else ", not kept"
    if (over := _margin(fact)) is not None:
        text += f", margin {over}"
    if fact.kept and fact.alpha is not None and fact.share is not None:
        text += f", α {_short(fact.alpha)}, mixing weight {fact.share:.1%}"
    return text + (f"; {_by_alpha(fact)}" if fact.leader is not None else "")


def _margin(fact: EdgeFact) -> str | None:
    """`+0.045 over skip`; None if no decision of the search gives a margin."""
    found = fact.decision
    if found is None or found.margin is None or not found.runner_up:
        return None
    return f"{_short(found.margin, '+')} over {found.runner_up.replace('->', '→')}"


def _by_alpha(fact: EdgeFact) -> str:
    """Return the edge's best operation by α in words; it need not be the kept one."""
    return "leads by α" if fact.leads else f"by α {'zero, no edge,' if fact.leader == ZERO else fact.leader} leads"


def _markers(prefix: str) -> str:
    shape = '<path d="M0 0 L11 5 L0 10 Z"/>'
    size = 'viewBox="0 0 11 10" markerWidth="11" markerHeight="10" refX="1" refY="5" markerUnits="userSpaceOnUse"'
    kinds = ("up", "normal")
    return "".join(
        f'<marker id="{prefix}-head-{kind}" class="head {kind}" {size} orient="auto">{shape}</marker>' for kind in kinds
    )


def _edge(edge: DrawnEdge, prefix: str) -> str:
    fact = edge.fact
    kind = fact.slot.kind
    path = _path(edge)
    data = {
        "edge": f"{fact.slot.source} → {fact.slot.target}",
        "operation": fact.operation or "",
        "margin": _margin(fact) or "",
        "leader": _by_alpha(fact) if fact.leader is not None else "",
    }
    data |= {"alpha": _short(fact.alpha), "share": "" if fact.share is None else f"{fact.share:.1%}"}
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items() if value)
    state = ("kept given" if fact.given else "kept") if fact.kept else "dropped"
    marker = f' marker-end="url(#{prefix}-head-{kind})"' if fact.kept else ""
    return (
        f'<g class="edge {kind} {state}" tabindex="0" role="img" aria-label="{escape(fact_text(fact))}" {attributes}>'
        f'<path class="hit" d="{path}"/><path class="line" d="{path}"{marker}/>{_label(edge) if fact.kept else ""}</g>'
    )


def _path(edge: DrawnEdge) -> str:
    before = edge.bend[1] if edge.bend else edge.start
    end = _shortened(before, edge.end) if edge.fact.kept else edge.end
    curve = " ".join(_xy(point) for point in (*edge.bend, end))
    return f"M{_xy(edge.start)} {'C' if edge.bend else 'L'}{curve}"


def _shortened(before: Point, end: Point) -> Point:
    length = math.dist(before, end)
    return tuple(e - HEAD * (e - b) / length for b, e in zip(before, end, strict=True))  # type: ignore[return-value]


def _label(edge: DrawnEdge) -> str:
    lines = operation_lines(edge.fact.operation or "")
    half = max(len(line) for line in lines) * LETTER / 2 + 8
    tall = len(lines) * LINE / 2 + 4
    along, across = edge.label
    box = (
        f'<rect x="{across - half:.1f}" y="{along - tall:.1f}" width="{2 * half:.1f}" height="{2 * tall:.1f}" rx="8"/>'
    )
    first = along - (len(lines) - 1) * LINE / 2 + 4
    spans = [_text(across, first + k * LINE, line, "operation") for k, line in enumerate(lines)]
    return box + "".join(spans)


def _node(node: Node) -> str:
    return (
        f'<g class="node {node.kind}"><rect x="{-node.half_across:.1f}" y="{node.along - node.half_along:.1f}" '
        f'width="{2 * node.half_across:.1f}" height="{2 * node.half_along:.1f}" rx="7"/>'
        f"{_text(0, node.along - 1, node.name, 'name')}{_text(0, node.along + 13, node.note, 'note')}</g>"
    )


def _fixed(layout: Layout) -> list[str]:
    """The two parts that are never searched, as big arrows."""
    parts = []
    for source, target, text in (
        (layout.nodes[0], layout.nodes[1], FIXED_FIRST),
        (layout.nodes[-2], layout.nodes[-1], FIXED_LAST),
    ):
        top, tip = source.along + source.half_along + 3, target.along - target.half_along - 3
        neck = tip - 11
        points = f"-6,{top:.0f} 6,{top:.0f} 6,{neck:.0f} 13,{neck:.0f} 0,{tip:.0f} -13,{neck:.0f} -6,{neck:.0f}"
        parts.append(f'<polygon class="fixed" points="{points}"/>')
        lines = text.split("\n")
        first = (top + tip) / 2 - (len(lines) - 1) * 5.5 + 3
        parts += [_text(20, first + 11 * k, line, "fixed-words", "start") for k, line in enumerate(lines)]
    return parts


def _text(x: float, y: float, text: str, style: str, anchor: str = "middle") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _xy(point: Point) -> str:
    return f"{point[1]:.1f} {point[0]:.1f}"


def _short(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}".replace("-", "−")
