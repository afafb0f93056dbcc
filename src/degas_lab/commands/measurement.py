"""Options of every measurement on images."""

from __future__ import annotations

from degas.cli.options import SOURCE, Folder, Source
from degas.settings.base import Settings, setting


class MeasurementOptions(Settings):
    """Images and a folder. Stands after the plan among the bases: its options then come first in the help."""

    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")
