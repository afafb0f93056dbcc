"""`degas experiment pareto`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from degas.cli.options import Folder
from degas.settings.base import Settings, setting

__all__ = ["Options", "main"]


class Options(Settings):
    """Plot GLO loss against parameters for the trials of found-vs-random and baselines, with the front and its knee.

    No training. Writes FOLDER/pareto.json and pareto.png. The knee is the front's point farthest below the chord
    between its ends, on a logarithmic axis of parameters.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment pareto --trials runs/baselines/trials --out runs/pareto",
        "degas experiment pareto --trials runs/trials runs/baselines/trials --out runs/pareto",
    )
    trials: Annotated[tuple[Path, ...], Field(min_length=1)] = setting(..., "folders of these measurements")
    out: Folder = setting(..., "folder of the picture")


def main(options: Options) -> None:
    from degas_lab.fits.pareto import load_points, write_pareto

    summary = write_pareto(load_points(options.trials), options.out)
    print(
        f"{len(summary['points'])} trials, {len(summary['front'])} on the front; picture {options.out / 'pareto.png'}"
    )
    if summary["knee"] is not None:
        bend = summary["knee"]
        print(f"knee: {bend['trial']}, {bend['num_parameters']:,} parameters, loss {bend['loss']:.4f}")
