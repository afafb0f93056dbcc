"""`degas experiment search-variants`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings
from degas_lab.commands.measurement import MeasurementOptions
from degas_lab.fits.variant_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, MeasurementOptions):
    """Sampled paths, a critic and operations that leave beside the default search, at equal multiply-adds.

    Writes FOLDER/trials (one JSON file per search and the fit of what it found), summary.json, table.md and losses.png.
    A second call continues, also with other rows or more seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment search-variants --data my-images --data.max-images 6400 --out runs/variants",
        "degas experiment search-variants --data my-images --out runs/variants --rows gumbel two-path --seeds 5",
    )
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas_lab.fits.variant_summary import format_table, write_summary
    from degas_lab.fits.variants import Variants

    with Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = Variants(images, options.search, options.space, options, options.out, engine=engine)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement.trials.records(), options.out)), end="")
