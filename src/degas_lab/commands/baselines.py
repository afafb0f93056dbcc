"""`degas experiment baselines`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import FILE, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings
from degas_lab.commands.measurement import MeasurementOptions, reject_search_only
from degas_lab.fits.rival_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, MeasurementOptions):
    """Random search and regularised evolution over the same space, with the same GLO budget per candidate.

    Writes FOLDER/trials (one JSON file per fit; no architecture is fitted twice), best-METHOD.json, summary.json,
    table.md and loss-against-fits.png. A second call continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment baselines --data my-images --data.max-images 6400 --out runs/baselines",
        "degas experiment baselines --data my-images --out runs/baselines --methods evolution --max-params 200k",
    )
    architecture: str | None = setting(
        None, f"also fit this one for comparison, and use its sizes: {FILE}; default: none"
    )
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.fits.rival_searches import Baselines, format_table, write_summary

    reject_search_only(options.search, SearchSettings(), ("width", "noise_size"))
    found = None if options.architecture is None else load_architecture(options.architecture)
    with Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = Baselines(images, options.search, options.space, options, options.out, engine=engine, found=found)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement, options.out)), end="")
