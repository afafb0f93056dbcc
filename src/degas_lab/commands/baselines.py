"""`degas experiment baselines`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import FILE, SOURCE, Device, Folder, Source
from degas.settings.base import Positive, Settings, setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings

__all__ = ["Options", "main"]

Method = Literal["random", "evolution"]


class Options(Settings):
    """Random search and regularised evolution over the same space, with the same GLO budget a candidate.

    Writes FOLDER/trials (a JSON file a fit; no architecture is fitted twice), and from them best-METHOD.json,
    summary.json, table.md and loss-against-fits.png. A second call goes on.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment baselines --data my-images --data.max-images 6400 --out runs/baselines",
        "degas experiment baselines --data my-images --out runs/baselines --methods evolution --max-params 200k",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = setting(("random", "evolution"), "which to run")
    num_fits: Positive = setting(50, "fits of each method and seed")
    num_epochs: Positive = setting(5, "epochs of each standalone fit")
    seeds: Positive = setting(1, "searches of each method")
    seed: int = setting(0, "the first seed: of proposals, weights, latents and batches")
    max_params: Positive | None = setting(
        None, "consider only architectures of at most so many parameters; default: no cap"
    )
    population: Positive = setting(
        10, "members alive at a time; the oldest dies", source="our choice; Real et al.: 100"
    )
    tournament: Positive = setting(
        10, "members drawn, of which the best gets a child", source="our choice; Real et al.: 25"
    )
    architecture: str | None = setting(
        None, f"also fit this one, to compare with, and take its sizes: {FILE}; default: none"
    )
    summary: bool = setting(False, "make no trial; only write the summary of those that are finished")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.fits.rival_searches import Baselines, Plan, format_table, write_summary

    names = ("num_fits", "num_epochs", "seed", "max_params", "population", "tournament")
    plan = Plan(
        methods=tuple(dict.fromkeys(options.methods)),
        num_seeds=options.seeds,
        **{name: getattr(options, name) for name in names},
    )
    found = None if options.architecture is None else load_architecture(options.architecture)
    with Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = Baselines(images, options.search, options.space, plan, options.out, engine=engine, found=found)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement, options.out)), end="")
