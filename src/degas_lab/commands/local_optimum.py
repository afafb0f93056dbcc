"""`degas experiment local-optimum`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import FILE, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings
from degas_lab.commands.measurement import PooledMeasurement, reject_search_only
from degas_lab.fits.neighbour_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, PooledMeasurement):
    """Fit an architecture, and all that differ from it in one decision, by GLO alone: is it a local optimum?

    Writes FOLDER/trials (one JSON file per fit), summary.json and table.md. A second call continues, also with more
    seeds. The operations are those of the architecture's own search unless --space sets others. The pruning.json next
    to a search's architecture.json is read as well, to compare the supernet's ranking of options with that of fits.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment local-optimum --architecture runs/mine --data my-images --out runs/mine/local-optimum",
        "degas experiment local-optimum --architecture degas-cifar10 --data my-images --out runs/x --seeds 0",
    )
    architecture: str = setting(..., FILE)
    summary: bool = setting(False, "make no fit; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.space.find import architecture_file, load_architecture
    from degas_lab.ahead import side_by_side
    from degas_lab.fits.local_optimum import LocalOptimum
    from degas_lab.fits.local_optimum_summary import format_table, read_pruning, write_summary

    reject_search_only(options.search, SearchSettings())
    found = load_architecture(options.architecture)
    pruning = read_pruning(architecture_file(options.architecture))
    with side_by_side(options), Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = LocalOptimum(found, images, options.search, options.space, options, options.out, engine=engine)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement, options.out, pruning)), end="")
