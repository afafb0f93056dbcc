"""A measurement as a folder of small JSON files, one a finished trial, so that it can stop anywhere and go on."""

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
# Images are known by their content, architectures by operations; intervals of checkpoints and logs decide nothing.
SAME_TRIALS = Rules(
    resume_rules(search=SearchSettings(), gan=GanSettings()).ignored | {"architecture.provenance", "found.provenance"},
    sentences=DATA_SENTENCES,
)


class Trials:
    """The finished trials of one measurement, `folder/NAME.json` each.

    `settings` is what every trial must share; a folder that holds trials of other settings is refused (`UserError`).
    `rules` say what counts as another one, and with which value a setting is added that the folder does not know yet.
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
        """The record of trial `name`: read if it is finished and enough, else made and kept."""
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
