"""Options of every measurement on images, and the command of those that compare searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degas.cli.options import SOURCE, Device, Folder, Source
from degas.cli.pools import Pooled
from degas.errors import UserError
from degas.settings.base import Settings, setting
from degas.settings.sections import DataSettings, SearchSettings, SpaceSettings

if TYPE_CHECKING:
    from degas_lab.fits.search_rows import SearchRows
    from degas_lab.trials import TrialRecords


class MeasurementOptions(Settings):
    """Images and a folder. As a base class it comes after the plan, so that the help lists its options first."""

    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")


class PooledMeasurement(Pooled, MeasurementOptions):
    """The same for a measurement whose trials may run side by side."""


class SearchesOnImages(Settings):
    """The other options of a comparison of searches. As a base class it comes before the plan: they are listed last."""

    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()


def reject_search_only(search: SearchSettings, unchanged: SearchSettings, also_read: Sequence[str] = ()) -> None:
    """Raise `UserError` for changed settings of a search that no fit reads, in a measurement that only fits alone.

    `unchanged` holds the settings if none are given; `also_read` names those that the measurement itself reads.
    """
    from degas.nas.glo.standalone import FIT_SETTINGS

    others = [name for name in SearchSettings.model_fields if name not in (*FIT_SETTINGS, *also_read)]
    changed = [name for name in others if getattr(search, name) != getattr(unchanged, name)]
    if changed:
        options = " ".join(f"--search.{name.replace('_', '-')}" for name in changed)
        raise UserError(f"{options}: this measurement fits architectures alone and does not search; leave it out")


def compare_searches(
    options: Any,
    kind: type[SearchRows],
    write_summary: Callable[[TrialRecords, Path], dict[str, Any]],
    format_table: Callable[[dict[str, Any]], str],
) -> None:
    """Make the missing trials of a comparison, write its summary and print its table; `options` are its command's."""
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas_lab.ahead import side_by_side

    with side_by_side(options), Engine(options.search.precision, options.device) as engine:
        images = load_images(options.source, options.data, options.out)
        measurement = kind(images, options.search, options.space, options, options.out, engine=engine)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement.trials.records(), options.out)), end="")
