"""The circumstances of a stage: what it is told beside its images and its settings."""

from __future__ import annotations

from dataclasses import dataclass

from degas.runtime.tracking import Tracker


@dataclass(frozen=True)
class Setup:
    """Where a stage computes and whom it tells of it; none of it changes a result.

    Attributes:
        preset: name of the preset that the settings come from, for config.json.
        device: `auto`, `cpu` or `cuda`.
        progress: whether to show progress.
        tracker: a tracker, or the name of one.
        command: the command line, for environment.json.
    """

    preset: str
    device: str
    progress: bool
    tracker: str | Tracker
    command: list[str]
