"""A measurement as a folder of small JSON files, one per finished trial, so that it can stop and continue anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from degas.errors import UserError
from degas.runtime.comparison import Rules, differences
from degas.runtime.durable import replace_file
from degas.runtime.json_files import read_object
from degas.settings.resume_rules import DATA_SENTENCES, resume_rules
from degas.settings.sections import GanSettings, SearchSettings

TrialRecords = Mapping[str, Mapping[str, Any]]  # trial name → its record
Make = Callable[[], dict[str, Any]]  # makes the record of one trial
# Images are compared by content, architectures by operations; intervals of checkpoints and logs are ignored.
SAME_TRIALS = Rules(
    resume_rules(search=SearchSettings(), gan=GanSettings()).ignored | {"architecture.provenance", "found.provenance"},
    sentences=DATA_SENTENCES,
)


class Ahead(Protocol):
    """Makes trials elsewhere than in the loop of a measurement (`degas_lab.ahead`)."""

    def __call__(self, trials: Trials, missing: Mapping[str, Make]) -> Mapping[str, str]:
        """Make the missing trials; return why one was not made, which counts for those that were not."""


AHEAD: ContextVar[Ahead | None] = ContextVar("ahead", default=None)  # None: trials are made one after another


class Trials:
    """The finished trials of one measurement, `folder/NAME.json` each.

    `settings` are shared by all trials; a folder with trials of other settings is rejected (`UserError`). `rules` say
    which settings count, and the value of a setting that the folder lacks.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], rules: Rules = SAME_TRIALS) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "settings.json"
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if path.exists() and (why := differences(_settings_in(path), json.loads(text), rules)):
            raise UserError(f"{folder}: holds trials of other settings: {why}; give another --out")
        if not path.exists() or path.read_bytes() != text.encode():  # processes of one measurement write nothing twice
            replace_file(path, text.encode())
        self._failed: dict[str, str] = {}

    def make_ahead(
        self,
        makers: Mapping[str, Make],
        is_enough: Callable[[str, dict[str, Any]], bool] = lambda name, record: True,
    ) -> None:
        """Make all of these trials that are missing, or not enough, side by side, if the command asks for it.

        A trial may need others only if these were made before. One that could not be made is an error when `run` comes
        to it.
        """
        if (ahead := AHEAD.get()) is not None:
            missing = {n: make for n, make in makers.items() if self.known(n, partial(is_enough, n)) is None}
            self._failed |= ahead(self, missing)

    def known(
        self, name: str, is_enough: Callable[[dict[str, Any]], bool] = lambda record: True
    ) -> dict[str, Any] | None:
        """The record of trial `name`, if it is finished and enough."""
        path = self.folder / f"{name}.json"
        record = record_in(path) if path.exists() else None
        return record if record is not None and is_enough(record) else None

    def run(
        self,
        name: str,
        trial: Make,
        is_enough: Callable[[dict[str, Any]], bool] = lambda record: True,
    ) -> dict[str, Any]:
        """The record of trial `name`: read if it is finished and enough, else made and saved.

        Raises `UserError` if it was to be made ahead and was not.
        """
        if (known := self.known(name, is_enough)) is not None:
            return known
        if AHEAD.get() is not None:
            raise UserError(f"trial {name} was not made: {self._failed.get(name, 'another one failed before it')}")
        return self.make(name, trial)

    def make(self, name: str, trial: Make) -> dict[str, Any]:
        """Make and save the record of trial `name`."""
        record = trial()
        path = self.folder / f"{name}.json"
        replace_file(path, (json.dumps(record, indent=2) + "\n").encode())
        return record

    def records(self) -> dict[str, dict[str, Any]]:
        """Every finished trial, by name."""
        return records_in(self.folder)


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Every finished trial in a folder of trials, by name."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != "settings.json")
    return {path.stem: record_in(path) for path in paths}


def record_in(path: Path) -> dict[str, Any]:
    """The record of one trial; `UserError` for a damaged one, such as a copy that was cut off."""
    again = "copy it again, or remove it, and the same command makes it again"
    return read_object(path, missing=f"{path}: is gone; the same command makes it again", advice=again)


def _settings_in(path: Path) -> dict[str, Any]:
    gone = f"{path}: is gone; start the command again"
    return read_object(path, missing=gone, advice="copy it again, or give another --out")
