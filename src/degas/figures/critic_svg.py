"""The drawing of a critic as an inline SVG that runs down a page, in the colours of a generator's drawing.

Maps in a row from image to scores: blue ones come from down operations, pink ones from normal operations.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from degas.figures.layout import operation_lines
from degas.space.critic import CriticLayout

STEP, HALF = 98, 20  # pixels between maps, and half a map's height
LOWEST, GROWTH = 36, 4  # half the smallest map's width, and what every doubling of its size adds
REACH = 78  # half the drawing's width
HEAD = 10  # pixels from the end of a line to the tip of its arrow
LETTER, LINE = 6.3, 13.0  # width of a letter and height of a line in a label
LAST = "ReLU, mean, linear → scores"


def critic_svg(layout: CriticLayout, image_size: int, prefix: str = "c") -> Markup:
    """The drawing of a critic of images of this size; `prefix` separates its ids from those of other drawings."""
    steps, left = list(_steps(layout, image_size)), len(layout.at_size(image_size))
    height = STEP * (len(steps) + 1.6)
    names = ", ".join(operation for _, operation, _ in steps)
    parts = [
        f'<svg class="ladder" viewBox="{-REACH} 0 {2 * REACH} {height:.0f}" style="--w:{2 * REACH}px" role="img" '
        f'aria-label="Critic, from image to scores: {escape(names)}">',
        *(_marker(prefix, kind) for kind in ("up", "normal")),
        _map("image", "image", image_size, 0, left),
    ]
    for place, (kind, operation, size) in enumerate(steps, start=1):
        left -= kind == "up"
        parts += [_arrow(prefix, kind, place), _label(kind, operation, place)]
        parts.append(_map(kind, f"{size}×{size}", None, place, left))
    parts += [_last(len(steps)), "</svg>"]
    return Markup("".join(parts))


def _steps(layout: CriticLayout, image_size: int) -> Iterator[tuple[str, str, int]]:
    """(kind for the colours, operation, pixels of its map) of each operation, in order."""
    size = image_size
    for stage in layout.at_size(image_size):
        size = -(-size // 2)
        yield "up", stage.down, size
        for name in stage.normal:
            yield "normal", name, size


def _middle(place: float) -> float:
    return STEP * (place + 0.4)


def _map(kind: str, name: str, image_size: int | None, place: int, doublings: int) -> str:
    half, middle = LOWEST + GROWTH * doublings, _middle(place)
    note = "" if image_size is None else _text(middle + 13, f"{image_size}×{image_size}", "note")
    return (
        f'<g class="node {kind}"><rect x="{-half}" y="{middle - HALF:.1f}" width="{2 * half}" height="{2 * HALF}" '
        f'rx="7"/>{_text(middle - 1 if note else middle + 5, name, "name")}{note}</g>'
    )


def _marker(prefix: str, kind: str) -> str:
    return (
        f'<marker id="{prefix}-head-{kind}" class="head {kind}" viewBox="0 0 11 10" markerWidth="11" markerHeight="10" '
        'refX="1" refY="5" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L11 5 L0 10 Z"/></marker>'
    )


def _arrow(prefix: str, kind: str, place: int) -> str:
    first, last = _middle(place - 1) + HALF, _middle(place) - HALF - HEAD
    path = f'<path class="line" d="M0 {first:.1f} L0 {last:.1f}" marker-end="url(#{prefix}-head-{kind})"/>'
    return f'<g class="edge {kind} kept">{path}</g>'


def _label(kind: str, operation: str, place: int) -> str:
    lines = operation_lines(operation)
    half = max(len(line) for line in lines) * LETTER / 2 + 8
    tall, middle = len(lines) * LINE / 2 + 4, _middle(place - 0.5) - HEAD / 2
    box = f'<rect x="{-half:.1f}" y="{middle - tall:.1f}" width="{2 * half:.1f}" height="{2 * tall:.1f}" rx="8"/>'
    first = middle - (len(lines) - 1) * LINE / 2 + 4
    texts = "".join(_text(first + k * LINE, line, "operation") for k, line in enumerate(lines))
    return f'<g class="edge {kind} kept">{box}{texts}</g>'


def _last(place: int) -> str:
    """The fixed part from the last map to the scores."""
    top, tip = _middle(place) + HALF + 3, _middle(place + 1) - 12
    neck = tip - 11
    points = f"-6,{top:.0f} 6,{top:.0f} 6,{neck:.0f} 13,{neck:.0f} 0,{tip:.0f} -13,{neck:.0f} -6,{neck:.0f}"
    return f'<polygon class="fixed" points="{points}"/>{_text(_middle(place + 1) + 5, LAST, "fixed-words")}'


def _text(y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="0" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'
