"""The numbers of `degas benchmark` as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

SEARCH_STEPS = ("search_step", "search_step_beside_sn_gan", "search_step_beside_ct_gan")
NESTED = ("training_step", "step_by_threads", "compiled")  # a row for each objective or call
GRAPH_STEPS = ("search_step_as_graph", "critic_step_as_graph", "generator_step_as_graph")
STEPS = (
    *SEARCH_STEPS,
    "critic_step",
    "generator_step",
    "training_step",
    "sampling",
    "features",
    "features_224",
    "classifier_step",
    "fid",
    "step_by_threads",
    "pool",
    "compiled",
    *GRAPH_STEPS,
)

TIMES, MEMORY = ("ours ms", "other ms", "times faster", "roofline ms", "share"), ("peak MiB", "other MiB")
OTHERS = ("textbook", "plain", "adversarial", "one_thread", "alone")


def rows(result: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Label → measurement, in the order of `STEPS`; those of `NESTED` have a row for each of their keys."""
    found: dict[str, Mapping[str, float]] = {}
    for name in (step for step in STEPS if step in result):
        words, row = name.replace("_", " "), result[name]
        found |= {f"{words}, {kind}": row[kind] for kind in row} if name in NESTED else {words: row}
    return found


def table(result: Mapping[str, Any]) -> Table:
    """One row per measurement: precision, our time, the other's, speedup, roofline and memory."""
    title = f"{result['machine']['cpu']}, {result['machine']['num_threads']} threads, {result['machine']['device']}"
    found = Table(title=title)
    for name in ("", "precision", *TIMES, *MEMORY):
        found.add_column(name, justify="left" if name in ("", "precision") else "right")
    for name, row in rows(result).items():
        precision = result["precision"][name.partition(",")[0].replace(" ", "_")]
        found.add_row(name, precision, *_cells(row))
        if "joint_ms" in row:
            found.add_row("search step, joint", precision, f"{row['joint_ms']:.1f}")
    return found


def _cells(row: Mapping[str, float]) -> list[str]:
    """The cells of a measurement after its precision."""
    cells = [f"{row['ours_ms']:.1f}"]
    if "speedup" in row:
        cells += [f"{_other(row):.1f}", f"{row['speedup']:.2f}"]
    if "roofline_ms" in row:
        cells += [f"{row['roofline_ms']:.1f}", f"{row['roofline_share']:.0%}"]
    if "ours_peak_mib" in row:
        cells += [""] * (len(TIMES) - len(cells))
        cells += [f"{row['ours_peak_mib']:.0f}", f"{_other(row, 'peak_mib'):.0f}"]
    if "peak_mib" in row:
        cells += [f"{row['peak_mib']:.0f}"]
    return cells


def plot(result: Mapping[str, Any], path: Path) -> None:
    """Draw times relative to the other's, ours below, with the roofline as a line, and growth curves if any."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    growth = result.get("growth", {})
    figure = Figure(figsize=(6 + 3 * len(growth), max(3.2, 0.3 * len(rows(result)))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(growth), squeeze=False, width_ratios=[2.0] + [1.0] * len(growth))[0]
    _draw_steps(axes[0], result)
    for one, (name, points) in zip(axes[1:], growth.items(), strict=True):
        times = [point["ours_ms"] for point in points]
        trained = [point["training_ms"] for point in points]
        one.plot([point[name] for point in points], times, marker="o", label="search step")
        one.plot([point[name] for point in points], trained, marker="s", label="training step, mmd")
        one.set(xlabel=name.replace("_", " "), ylabel="ms", ylim=(0, 1.1 * max(times + trained)))
        if points[-1][name] > 100 * points[0][name]:
            one.set_xscale("log")
        one.legend()
    figure.savefig(path, dpi=150)


def _draw_steps(axes: Any, result: Mapping[str, Any]) -> None:
    compared = {name: row for name, row in rows(result).items() if "speedup" in row}
    for position, row in enumerate(compared.values()):
        axes.barh(position, 1.0, color="#d0d0d0", height=0.7)
        axes.barh(position, row["ours_ms"] / _other(row), color="#3567a8", height=0.7)
        axes.text(1.02, position, f"{row['speedup']:.2f} ×", va="center")
        if "roofline_ms" in row:
            share = row["roofline_ms"] / _other(row)
            axes.plot([share, share], [position - 0.45, position + 0.45], color="black", linewidth=1.5)
    axes.set_yticks(range(len(compared)), list(compared))
    axes.set(xlim=(0, 1.2), xlabel="time; grey: textbook or plain, blue: ours, line: roofline")
    axes.invert_yaxis()


def _other(row: Mapping[str, float], unit: str = "ms") -> float:
    """The value that ours is compared with."""
    return next(row[f"{other}_{unit}"] for other in OTHERS if f"{other}_{unit}" in row)
