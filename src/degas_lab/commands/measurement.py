"""Options of every measurement on images."""

from __future__ import annotations

from degas.cli.options import SOURCE, Folder, Source
from degas.cli.pools import Pooled
from degas.settings.base import Settings, setting


class MeasurementOptions(Settings):
    """Images and a folder. As a base class it comes after the plan, so that the help lists its options first."""

    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")


class PooledMeasurement(Pooled, MeasurementOptions):
    """The same for a measurement whose trials may run side by side."""
