"""Draws an architecture to a file, like the paper's Figures 2 and 3, with a fixed layout of feature maps.

Up-sampled maps are blue, normal maps pink. Kept edges are bold and labelled with their operation; other possible edges
are dotted, edges that were given to the search dashed. Direct edges are straight, residual edges are arcs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib

from degas.errors import UserError
from degas.figures.facts import Alpha, edge_facts
from degas.figures.layout import DrawnEdge, Layout, Lengths, Node, Point, lay_out, operation_lines
from degas.runtime.paths import expanded
from degas.space.architecture import Architecture

# fill, outline and text of each kind of node; the kept edges into a node take its outline colour
COLOURS = {
    "noise": ("#f4f1ea", "#8d877a", "#4a463e"),
    "up": ("#cfe1f7", "#3f6fae", "#1e3d66"),
    "normal": ("#f9d5df", "#b9567a", "#6d2743"),
    "image": ("#f4f1ea", "#8d877a", "#4a463e"),
}
FAINT = "#b9b4aa"
DOTTED = (0, (1, 2.2))
DASHED = (0, (3.2, 1.4))
ACROSS_PAGE = Lengths(step=1.5, node_along=0.3, node_across=0.27, growth=0.045, label_across=0.19, gap=0.16)
DOWN_PAGE = Lengths(step=1.1, node_along=0.21, node_across=0.36, growth=0.05, label_across=0.42, gap=0.12)
LONGEST_ACROSS = 10  # nodes; a longer layout runs down the page, so that labels stay readable
LEGEND = 0.42  # inches below the drawing
FIXED_FIRST, FIXED_LAST = "linear\nreshape", "BN, ReLU\nconv 3×3\ntanh"


def draw_architecture(architecture: Architecture, path: Path, alpha: Alpha | None = None) -> None:
    """Write the drawing to `path`, a `.png` or `.svg` file, completely or not at all.

    `alpha` (edge name → {operation: α}) adds α to the label of every kept edge: give it if α decided. Raises
    `UserError` for another suffix. The layout is ours; colours and the meaning of arcs follow the paper's Figure 2.
    """
    path = expanded(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg"):
        raise UserError(f"{path}: a drawing is a .png or .svg file; give one of these suffixes")
    across_page = len(architecture.graph.nodes) + 2 <= LONGEST_ACROSS
    layout = lay_out(architecture, edge_facts(architecture, alpha), ACROSS_PAGE if across_page else DOWN_PAGE)
    settings: Any = {"svg.hashsalt": "degas", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = _draw(layout, across_page)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}  # the same file every time
        scratch = path.with_name(f".{path.name}.part")  # a fixed name, so that a killed process's rest is overwritten
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(scratch, format=kind, dpi=160, facecolor="white", metadata=metadata)
            os.replace(scratch, path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}; give another path") from None


def _draw(layout: Layout, across_page: bool) -> Any:
    def place(point: Point) -> Point:
        return point if across_page else (point[1], point[0])

    figure, axes = _page(layout, across_page)
    for edge in sorted(layout.edges, key=lambda edge: edge.fact.kept):
        _draw_edge(axes, edge, place)
    _draw_fixed(axes, layout, place)
    for node in layout.nodes:
        _draw_node(axes, node, place)
    for edge in layout.edges:
        if edge.fact.kept:
            _draw_label(axes, edge, place)
    _draw_legend(figure, *figure.get_size_inches(), given=any(edge.fact.given for edge in layout.edges))
    return figure


def _page(layout: Layout, across_page: bool) -> tuple[Any, Any]:
    """A figure of the layout's size, with room for the legend below, and its axes in the layout's units."""
    from matplotlib.figure import Figure  # here, so that importing the module stays cheap

    breadth = layout.high - layout.low
    width, height = (layout.along, breadth) if across_page else (max(breadth, 4.2), layout.along)
    figure = Figure(figsize=(width, height + LEGEND))
    axes = figure.add_axes((0.0, LEGEND / (height + LEGEND), 1.0, height / (height + LEGEND)))
    axes.set_axis_off()
    if across_page:
        axes.set(xlim=(0, layout.along), ylim=(layout.high, layout.low))
    else:
        middle = (layout.low + layout.high) / 2
        axes.set(xlim=(middle - width / 2, middle + width / 2), ylim=(layout.along, 0))
    return figure, axes


def _draw_edge(axes: Any, edge: DrawnEdge, place: Any) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    points = [place(edge.start), *map(place, edge.bend), place(edge.end)]
    codes = [Curve.MOVETO, *([Curve.CURVE4] * 3 if edge.bend else [Curve.LINETO])]
    fact = edge.fact
    style: dict[str, Any] = {
        "arrowstyle": "-",
        "color": FAINT,
        "linewidth": 1.1,
        "linestyle": DOTTED,
        "capstyle": "butt",
    }
    if fact.kept:
        style = {"arrowstyle": "-|>", "color": COLOURS[fact.slot.kind][1], "linewidth": 2.4, "zorder": 2}
        style |= {"linestyle": DASHED} if fact.given else {}
    axes.add_patch(FancyArrowPatch(path=Curve(points, codes), mutation_scale=13, shrinkA=0, shrinkB=0, **style))


def _draw_fixed(axes: Any, layout: Layout, place: Any) -> None:
    """Draw the two parts that are never searched, noise → U0 and last map → image, as the paper's big arrows."""
    from matplotlib.patches import FancyArrowPatch

    pairs = ((layout.nodes[0], layout.nodes[1], FIXED_FIRST), (layout.nodes[-2], layout.nodes[-1], FIXED_LAST))
    for source, target, words in pairs:
        start, end = source.along + source.half_along + 0.03, target.along - target.half_along - 0.03
        axes.add_patch(
            FancyArrowPatch(
                place((start, 0)),
                place((end, 0)),
                arrowstyle="simple,head_length=0.5,head_width=1.5,tail_width=0.9",
                mutation_scale=13,
                facecolor="#e7e2d8",
                edgecolor="#8d877a",
                linewidth=0.9,
                shrinkA=0,
                shrinkB=0,
            )
        )
        x, y = place(((start + end) / 2, 0))
        down_page = place((1, 0)) == (0, 1)
        offset = (0.16, 0) if down_page else (0, 0.13)
        align: dict[str, Any] = {"ha": "left", "va": "center"} if down_page else {"ha": "center", "va": "top"}
        axes.text(x + offset[0], y + offset[1], words, fontsize=7, color="#6b665b", linespacing=1.15, **align)


def _draw_node(axes: Any, node: Node, place: Any) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, edge, text = COLOURS[node.kind]
    x, y = place((node.along, 0.0))
    half = place((node.half_along, node.half_across))
    corner = (x - half[0], y - half[1])
    box = "round,pad=0,rounding_size=0.07"
    axes.add_patch(FancyBboxPatch(corner, 2 * half[0], 2 * half[1], boxstyle=box, fc=fill, ec=edge, lw=1.3, zorder=3))
    axes.text(x, y - 0.06, node.name, ha="center", va="center", color=text, weight="bold", fontsize=9.5, zorder=4)
    axes.text(x, y + 0.115, node.note, ha="center", va="center", color=text, fontsize=6.5, zorder=4)


def _draw_label(axes: Any, edge: DrawnEdge, place: Any) -> None:
    fact = edge.fact
    lines = list(operation_lines(fact.operation or ""))
    if fact.alpha is not None:
        lines.append(f"α {fact.alpha:.2f}".replace("-", "−"))
    _, ink, text = COLOURS[fact.slot.kind]
    box = {"boxstyle": "round,pad=0.35,rounding_size=0.45", "facecolor": "white", "edgecolor": ink, "linewidth": 0.8}
    x, y = place(edge.label)
    axes.text(
        x, y, "\n".join(lines), ha="center", va="center", fontsize=7.4, color=text, zorder=5, linespacing=1.15, bbox=box
    )


def _draw_legend(figure: Any, width: float, height: float, *, given: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=COLOURS["up"][0], edgecolor=COLOURS["up"][1], label="up-sampled map"),
        Patch(facecolor=COLOURS["normal"][0], edgecolor=COLOURS["normal"][1], label="normal map"),
        Line2D([], [], color=COLOURS["up"][1], linewidth=2.4, label="kept edge"),
        Line2D([], [], color=FAINT, linewidth=1.1, linestyle=DOTTED, label="possible edge"),
    ]
    if given:
        handles.insert(3, Line2D([], [], color=COLOURS["up"][1], linewidth=2.4, linestyle=DASHED, label="given edge"))
    columns = len(handles) if width > 5.5 else 2
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.06 / height),
        ncols=columns,
        frameon=False,
        fontsize=7.5,
        handlelength=1.8,
        columnspacing=1.8,
        labelcolor="#4a463e",
        borderpad=0,
        borderaxespad=0,
    )
