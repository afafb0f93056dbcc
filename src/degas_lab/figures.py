"""The shared parts of the measurements' pictures and tables: figures without a display, a common style, Markdown."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from degas.runtime.durable import replace_file

COLOURS = ("#3567a8", "#c8553d", "#4f8a4c", "#8a5ba6", "#b8892b", "#4aa3a2", "#7a7a7a")
GREY = "#9a9a9a"


@contextmanager
def saved_figure(path: Path, size: tuple[float, float], columns: int = 1, rows: int = 1) -> Iterator[Any]:
    """Axes (rows, columns) of a new figure, `size` in inches; the end of the block writes all of `path` (PNG)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="#e4e4e4", linewidth=0.7)
        one.set_axisbelow(True)
    yield axes
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, buffer.getvalue())


def size_axis(axes: Any, values: Sequence[float]) -> None:
    """Make x a logarithmic axis for counts such as parameters, with few labels: 50 k, 100 k, 1.2 M."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    wide = bool(values) and max(values) > 4 * min(values)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: short_count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def short_count(value: float) -> str:
    """`950`, `120 k`, `1.25 M`."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A Markdown table; columns from `numbers_from` on are right-aligned."""
    rule = ["---" if column < numbers_from else "--:" for column in range(len(head))]
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, rule, *rows))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())
