"""`degas experiment loss-curves`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from degas.settings.base import Settings, setting

__all__ = ["Options", "main"]


class Options(Settings):
    """Draw the losses of finished runs, and tabulate how smoothly they fall and how often they rise. No training."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment loss-curves --runs runs/mine --out curves.png",
        "degas experiment loss-curves --runs runs/mine runs/other --out curves.png",
    )
    runs: Annotated[tuple[Path, ...], Field(min_length=1)] = setting(..., "run folders of searches and trainings")
    out: Path = setting(..., "the figure, a .png file")


def main(options: Options) -> None:
    from degas_lab.fits.loss_curves import draw, format_table, read_curves

    curves = read_curves(options.runs)
    draw(curves, options.out)
    print(format_table(curves), end="")
