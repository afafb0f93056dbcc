"""Test on finished runs: does the loss of a GLO search fall smoothly ("its monotonic stable loss function", §3.2)?

    degas experiment loss-curves --runs RUN [RUN ...] --out FIGURE.png

Draws the loss of every search in the runs (of each seed if there are several), and the generator's adversarial loss of
runs with training; prints for each curve how often it rises. No run is made or changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from degas.errors import UserError
from degas.runtime.run_folder import read_jsonl
from degas_lab.figures import COLOURS, markdown, saved_figure

BLOCKS = 10  # a curve is split into this many equal parts, whose means rise or fall


@dataclass(frozen=True)
class Curve:
    """A logged loss: `steps` and `losses` of the same length; `kind` is `search` or `train`."""

    name: str
    kind: str
    steps: np.ndarray
    losses: np.ndarray

    def block_means(self) -> np.ndarray:
        """Means of `BLOCKS` equal parts (fewer if fewer steps were logged), in order."""
        parts = np.array_split(self.losses, min(BLOCKS, len(self.losses)))
        return np.array([part.mean() for part in parts])

    def num_rises(self) -> int:
        """The number of parts with a higher mean than the previous one; 0 for a curve that only falls."""
        return int((np.diff(self.block_means()) > 0).sum())

    def roughness(self) -> float:
        """Mean absolute change between logged steps, in units of the fall from first to last part."""
        means = self.block_means()
        span = abs(means[0] - means[-1])
        return float(np.abs(np.diff(self.losses)).mean() / span) if span else float("inf")


def read_curves(runs: Sequence[Path]) -> list[Curve]:
    """Every curve of the runs. Raises `UserError` for a folder without one."""
    curves: list[Curve] = []
    for run in runs:
        seeds = sorted((run / "search").glob("seed-*"))
        folders = [("search", folder) for folder in seeds or [run / "search"]] + [("train", run / "train")]
        found = [_read(kind, folder) for kind, folder in folders if (folder / "metrics.jsonl").exists()]
        if not found:
            raise UserError(f"{run}: holds no search and no training; give folders from degas search or degas run")
        curves += found
    return curves


def _read(kind: str, folder: Path) -> Curve:
    key = "loss" if kind == "search" else "generator_loss"
    records = [record for record in read_jsonl(folder / "metrics.jsonl") if key in record]
    if len(records) < 2:
        raise UserError(f"{folder / 'metrics.jsonl'}: holds {len(records)} losses; let the run take more steps")
    run = folder.parent.parent if folder.name.startswith("seed-") else folder.parent
    name = f"{run.name} {folder.name}" if folder.name.startswith("seed-") else run.name
    return Curve(name, kind, np.array([r["step"] for r in records]), np.array([r[key] for r in records]))


def format_table(curves: Sequence[Curve]) -> str:
    """One row per curve: loss in the first and last part, rises, roughness."""
    head = ["run", "loss", "first part", "last part", f"rises of {BLOCKS - 1}", "change per step / whole fall"]
    rows = []
    for curve in curves:
        means = curve.block_means()
        kind = "GLO search" if curve.kind == "search" else "adversarial, generator"
        cells = [f"{means[0]:.3f}", f"{means[-1]:.3f}", str(curve.num_rises()), f"{curve.roughness():.2f}"]
        rows.append([curve.name, kind, *cells])
    return markdown(head, rows, numbers_from=2)


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw search losses on the left, and adversarial ones, if any, on the right."""
    kinds = [kind for kind in ("search", "train") if any(curve.kind == kind for curve in curves)]
    titles = {"search": "GLO search: reconstruction loss", "train": "adversarial training: generator's loss"}
    with saved_figure(path, (4.2 * len(kinds), 3.0), columns=len(kinds)) as axes:
        for one, kind in zip(axes[0], kinds, strict=True):
            _draw_kind(one, [curve for curve in curves if curve.kind == kind])
            one.set(title=titles[kind], xlabel="step")


def _draw_kind(axes: Any, curves: Sequence[Curve]) -> None:
    for number, curve in enumerate(curves):
        axes.plot(curve.steps, curve.losses, color=COLOURS[number % len(COLOURS)], linewidth=1.0, label=curve.name)
    if all(curve.kind == "search" for curve in curves):
        axes.set_ylim(0, None)
    axes.legend(frameon=False, fontsize=8)
