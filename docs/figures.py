"""The figures of the site, drawn when it is built, so that they cannot drift from the code."""

from __future__ import annotations

import tempfile
from pathlib import Path

STEP, MIDDLE, HALF = 118, 118, 24  # pixels between nodes, of the ladder's height, and half a node
COLOURS = {"up": "#3f6fb0", "normal": "#b8507a", "frame": "#8a8474"}
FILLS = {"up": "#cfe0f5", "normal": "#f8d4e0", "frame": "#f3f0e8"}


def space_figure() -> str:
    """The paper's search space (Figure 2): every possible edge with its number of candidates, as SVG."""
    from degas.space.graph import SearchSpace

    space = SearchSpace()
    places = {name: (k + 1.5) * STEP for k, name in enumerate(space.nodes)}
    places = {"noise": STEP * 0.5, **places, "image": (len(places) + 1.5) * STEP}
    parts = [arrow(places["noise"], places["U0"], "frame", "linear"), arrow(places["U3"], places["image"], "frame", "")]
    for slot in space.slots:
        start, end = places[slot.source], places[slot.target]
        count = len(space.operations(slot)) - (not slot.direct)
        label = f"{count} {slot.kind}" if slot.direct else f"×{slot.factor}: {count} up, or zero"
        if slot.direct:
            parts.append(arrow(start, end, slot.kind, label))
        else:
            parts.append(arc(start, end, slot.kind, label, above=slot.factor == 2))
    parts += [node(name, x) for name, x in places.items()]
    width = (len(places)) * STEP
    return SVG.format(width=width, height=2 * MIDDLE + 20, inside="".join(parts))


def architecture_figure() -> str:
    """An architecture drawn at random, as `degas describe --out FILE.svg` draws it."""
    from degas.figures.drawing import draw_architecture
    from degas.space.architecture import Architecture
    from degas.space.graph import SearchSpace

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "architecture.svg"
        draw_architecture(Architecture(3, 1, 4, 32, 128, 3, SearchSpace().draw(11)), path)
        return path.read_text(encoding="utf-8")


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">
<defs>
<marker id="up" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L10 5 L0 10 z" fill="#3f6fb0"/></marker>
<marker id="normal" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L10 5 L0 10 z" fill="#b8507a"/></marker>
<marker id="frame" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L10 5 L0 10 z" fill="#8a8474"/></marker>
</defs>
<rect width="100%" height="100%" fill="#ffffff"/>{inside}</svg>
"""


def node(name: str, x: float) -> str:
    kind = "frame" if name in ("noise", "image") else "up" if name.startswith("U") else "normal"
    box = f'x="{x - HALF}" y="{MIDDLE - HALF}" width="{2 * HALF}" height="{2 * HALF}" rx="5"'
    text = f'<text x="{x}" y="{MIDDLE + 5}" text-anchor="middle" fill="#222222">{name}</text>'
    return f'<rect {box} fill="{FILLS[kind]}" stroke="{COLOURS[kind]}" stroke-width="2"/>{text}'


def arrow(start: float, end: float, kind: str, label: str) -> str:
    line = f'd="M{start + HALF} {MIDDLE} L{end - HALF - 1} {MIDDLE}"'
    return path(line, kind) + words((start + end) / 2, MIDDLE - 8, label)


def arc(start: float, end: float, kind: str, label: str, above: bool) -> str:
    side = -1 if above else 1
    edge, far = MIDDLE + side * HALF, MIDDLE + side * 92
    line = f'd="M{start + 8} {edge} C{start + 40} {far} {end - 40} {far} {end - 8} {edge + side}"'
    return path(line, kind) + words((start + end) / 2, MIDDLE + side * 78 + (-5 if above else 14), label)


def path(line: str, kind: str) -> str:
    return f'<path {line} fill="none" stroke="{COLOURS[kind]}" stroke-width="2" marker-end="url(#{kind})"/>'


def words(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="#444444">{text}</text>'
