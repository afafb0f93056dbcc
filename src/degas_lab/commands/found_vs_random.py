"""`degas experiment found-vs-random`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import FILE, SOURCE, Device, Folder, Source
from degas.cli.pools import Pooled
from degas.settings.base import Count, Positive, setting
from degas.settings.presets import PresetName
from degas.settings.sections import DataSettings, SearchSettings
from degas_lab.commands.measurement import reject_search_only

__all__ = ["Options", "main"]


class Options(Pooled):
    """Compare the GLO loss of the found architecture with that of drawn ones, of any size and of equal size.

    Finished trials are kept as small JSON files, and a second call continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment found-vs-random --architecture runs/mine --data my-images --out runs/trials",
        "degas experiment found-vs-random --architecture degas-cifar10 --data my-images --out runs/x --num-random 20",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the trials")
    architecture: str = setting(..., FILE)
    seed: int = setting(0, "seed of every trial")
    preset: PresetName = setting("default", "settings to start from")
    device: Device = setting("auto", "where to compute")
    num_random: Count = setting(10, "uniformly drawn architectures")
    num_equal: Count = setting(5, "drawn architectures of equal parameter count, ± 10 %")
    num_epochs: Positive = setting(5, "epochs of each standalone fit")
    data: DataSettings = DataSettings()
    search: SearchSettings = SearchSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.settings.resolve import settings_for
    from degas.space.find import load_architecture
    from degas_lab.ahead import side_by_side
    from degas_lab.fits.found_vs_random import found_vs_random

    reject_search_only(options.search, settings_for("search", SearchSettings, {}, options.preset))
    with side_by_side(options), Engine(options.search.precision, options.device) as engine:
        records = found_vs_random(
            load_architecture(options.architecture),
            load_images(options.source, options.data, options.out),
            options.search,
            options.out,
            engine=engine,
            seed=options.seed,
            num_random=options.num_random,
            num_equal=options.num_equal,
            num_epochs=options.num_epochs,
        )
    for kind in ("found", "random", "equal_size", "smallest", "biggest"):
        losses = sorted(record["loss"] for record in records.values() if record["kind"] == kind)
        if losses:
            print(f"{kind:<11} {losses[0]:.4f} to {losses[-1]:.4f}   ({len(losses)})")
