"""`degas experiment grown-search`."""

from __future__ import annotations

from typing import ClassVar

from degas_lab.commands.measurement import PooledMeasurement, SearchesOnImages, compare_searches
from degas_lab.fits.grown_plan import Plan

__all__ = ["Options", "main"]


class Options(SearchesOnImages, Plan, PooledMeasurement):
    """A grown search beside the search at once and two free baselines: time, memory and loss, by paired seeds.

    Writes FOLDER/trials (one JSON file per architecture and its fit), summary.json, table.md and losses.png. A second
    call continues, also with other rows or more seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment grown-search --data my-images --data.image-size 64 --out runs/grown-search",
        "degas experiment grown-search --data my-images --out runs/grown-search --rows grown prefix --seeds 5",
    )


def main(options: Options) -> None:
    from degas_lab.fits.grown import Grown
    from degas_lab.fits.grown_summary import format_table, write_summary

    compare_searches(options, Grown, write_summary, format_table)
