"""`degas experiment grown-search`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings
from degas_lab.commands.measurement import MeasurementOptions
from degas_lab.fits.grown_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, MeasurementOptions):
    """A grown search beside the search at once and two free baselines: time, memory and loss, by paired seeds.

    Writes FOLDER/trials (one JSON file per architecture and its fit), summary.json, table.md and losses.png. A second
    call continues, also with other rows or more seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment grown-search --data my-images --data.image-size 64 --out runs/grown-search",
        "degas experiment grown-search --data my-images --out runs/grown-search --rows grown prefix --seeds 5",
    )
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas_lab.fits.grown import Grown
    from degas_lab.fits.grown_summary import format_table, write_summary

    with Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = Grown(images, options.search, options.space, options, options.out, engine=engine)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement.trials.records(), options.out)), end="")
