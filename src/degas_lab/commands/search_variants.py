"""`degas experiment search-variants`."""

from __future__ import annotations

from typing import ClassVar

from degas_lab.commands.measurement import PooledMeasurement, SearchesOnImages, compare_searches
from degas_lab.fits.variant_plan import Plan

__all__ = ["Options", "main"]


class Options(SearchesOnImages, Plan, PooledMeasurement):
    """Sampled paths, a critic and operations that leave beside the default search, at equal multiply-adds.

    Writes FOLDER/trials (one JSON file per search and the fit of what it found), summary.json, table.md and losses.png.
    A second call continues, also with other rows or more seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment search-variants --data my-images --data.max-images 6400 --out runs/variants",
        "degas experiment search-variants --data my-images --out runs/variants --rows gumbel two-path --seeds 5",
    )


def main(options: Options) -> None:
    from degas_lab.fits.variant_summary import format_table, write_summary
    from degas_lab.fits.variants import Variants

    compare_searches(options, Variants, write_summary, format_table)
