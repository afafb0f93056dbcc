"""Curves as inline SVG: losses and terms over steps, α over epochs. Matplotlib draws them, the page sets colours.

Matplotlib draws with placeholder colours, which CSS variables then replace, so that one picture suits the light and the
dark page. Element ids get a prefix, so that one page can hold many pictures.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape

from degas.figures.facts import softmax
from degas.space.graph import NORMAL_OPERATIONS, UP_OPERATIONS, ZERO

MAX_POINTS = 320  # a longer curve is shown as means over equal intervals
INK, LINE, FAINT = "#010101", "#020202", "#030303"
SMOOTH_FROM = 40  # points; a shorter curve is not smoothed
NUM_RUN_COLOURS, NUM_OPERATION_COLOURS = 6, 9
SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "degas", "font.size": 9, "axes.unicode_minus": True}


@dataclass(frozen=True)
class Series:
    """One curve: `steps` and `values` (num_points,), and its run (counted from 0), which sets the colour."""

    label: str
    run: int
    steps: Sequence[float]
    values: Sequence[float]


def curve(series: Sequence[Series], *, label: str, x_label: str, prefix: str, size: tuple[float, float]) -> Markup:
    """A line chart of `series`, `size` in inches; `label` is for screen readers."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        for one in series:
            _plot(axes, one)
        _limit(axes, series)
        axes.set_xlabel(x_label, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.tick_params(colors=INK, length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
        return inline(figure, label, prefix)


def alpha_lines(history: Sequence[dict[str, float]], *, label: str, prefix: str) -> Markup:
    """The mixing weights of one edge over the epochs, without margins, for a card with a moving cursor."""
    from matplotlib.figure import Figure

    names = list(history[-1])
    shares = np.array([[softmax(record).get(name, np.nan) for name in names] for record in history])  # (E, K)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(2.6, 0.8))
        axes = figure.add_axes((0, 0.03, 1, 0.94))
        for k, name in enumerate(names):
            axes.plot(shares[:, k], color=operation_colour(name), linewidth=1.5)
        axes.set_xlim(0, max(len(history) - 1, 1))
        axes.set_axis_off()
        return inline(figure, label, prefix, stretch=True)


def operation_index(name: str) -> int | None:
    """Return the index of `name`'s colour on the page; None for `zero`. Up and normal operations share colours."""
    if name == ZERO:
        return None
    for table in (NORMAL_OPERATIONS, UP_OPERATIONS):
        if name in table:
            return table.index(name)
    return sum(name.encode()) % NUM_OPERATION_COLOURS


def operation_colour(name: str) -> str:
    index = operation_index(name)
    return FAINT if index is None else f"#0400{index:02x}"


def running_mean(values: np.ndarray) -> np.ndarray:
    """Centred mean over a tenth of the curve (num_points,), with a shorter window at the ends."""
    half = max(1, len(values) // 20)
    total = np.concatenate([[0.0], values.cumsum()])
    place = np.arange(len(values))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def thin_means(steps: Sequence[float], values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """At most `MAX_POINTS` points: means of steps and of values over equal intervals of the curve."""
    points = np.array([steps, values], dtype=float)  # (2, num_points)
    if points.shape[1] <= MAX_POINTS:
        return points[0], points[1]
    parts = np.array_split(points, MAX_POINTS, axis=1)
    return np.array([p[0].mean() for p in parts]), np.array([p[1].mean() for p in parts])


def inline(figure: Any, label: str, prefix: str, stretch: bool = False) -> Markup:
    """The figure as an `<svg>` element with the page's colours and the accessible name `label`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    view = re.search(r'viewBox="[\d. -]+"', text)
    body = text[text.index(">") + 1 :]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-")
    body = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]+", r"font: \1px var(--sans)", body)
    body = body.replace(INK, "currentColor").replace(LINE, "var(--line)").replace(FAINT, "var(--faint)")
    body = re.sub(r"#0300([\da-f]{2})", lambda m: f"var(--run-{int(m[1], 16)})", body)
    body = re.sub(r"#0400([\da-f]{2})", lambda m: f"var(--op-{int(m[1], 16)})", body)
    ratio = ' preserveAspectRatio="none"' if stretch else ""
    head = f'<svg class="chart" role="img" {view[0] if view else ""}{ratio} aria-label="{escape(label)}">'
    return Markup(head + body.strip())


def _plot(axes: Any, one: Series) -> None:
    """Draw the curve; a long one is faint, with its running mean over it."""
    steps, values = thin_means(one.steps, one.values)
    colour = f"#0300{one.run % NUM_RUN_COLOURS:02x}"
    smooth = len(values) >= SMOOTH_FROM
    axes.plot(
        steps,
        values,
        "o-" if len(values) == 1 else "-",
        color=colour,
        linewidth=1.0 if smooth else 1.6,
        alpha=0.3 if smooth else 1,
        markersize=4,
    )
    if smooth:
        axes.plot(steps, running_mean(values), color=colour, linewidth=1.9, solid_joinstyle="round")


def _limit(axes: Any, series: Sequence[Series]) -> None:
    """Limit the axis if a few extreme values would flatten the rest, and say so in the chart."""
    shown = [thin_means(one.steps, one.values)[1] for one in series]
    values = np.concatenate(shown) if shown else np.zeros(0)
    if values.size < 20:
        return
    low, high = np.percentile(values, [1, 98])
    margin = max(high - low, 1e-12)
    cut_low, cut_high = values.min() < low - 2 * margin, values.max() > high + 2 * margin
    if cut_low:
        axes.set_ylim(bottom=low - 0.1 * margin)
    if cut_high:
        axes.set_ylim(top=high + 0.1 * margin)
    if cut_low or cut_high:
        axes.text(0.99, 0.98, "extremes cut off", transform=axes.transAxes, ha="right", va="top", color=INK, fontsize=8)
