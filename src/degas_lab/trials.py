"""A measurement as a folder of small JSON files, one per finished trial, so that it can stop and continue anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.runtime.comparison import Rules, first_difference
from degas.runtime.durable import replace_file
from degas.settings.resume_rules import DATA_SENTENCES, resume_rules
from degas.settings.sections import GanSettings, SearchSettings

TrialRecords = Mapping[str, Mapping[str, Any]]  # trial name → its record
# Images are compared by content, architectures by operations; intervals of checkpoints and logs are ignored.
SAME_TRIALS = Rules(
    resume_rules(search=SearchSettings(), gan=GanSettings()).ignored | {"architecture.provenance", "found.provenance"},
    sentences=DATA_SENTENCES,
)


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
        if path.exists() and (why := first_difference(json.loads(path.read_bytes()), json.loads(text), rules)):
            raise UserError(f"{folder}: holds trials of other settings: {why}; give another --out")
        replace_file(path, text.encode())

    def run(
        self,
        name: str,
        trial: Callable[[], dict[str, Any]],
        is_enough: Callable[[dict[str, Any]], bool] = lambda record: True,
    ) -> dict[str, Any]:
        """The record of trial `name`: read if it is finished and enough, else made and saved."""
        path = self.folder / f"{name}.json"
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if is_enough(known):
                return known
        record = trial()
        replace_file(path, (json.dumps(record, indent=2) + "\n").encode())
        return record

    def records(self) -> dict[str, dict[str, Any]]:
        """Every finished trial, by name."""
        paths = sorted(path for path in self.folder.glob("*.json") if path.name != "settings.json")
        return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
