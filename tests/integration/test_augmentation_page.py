"""The table of docs/results.md on augmentation says what the committed trials say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from degas_lab.trainings.augmentation import format_table, summarise

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("data", "folder"), [("digits", "digits"), ("photographs", "photos-16")])
def test_every_row_is_what_its_trials_give(data: str, folder: str) -> None:
    trials = (ROOT / "docs/results/augment" / folder / "trials").glob("*-seed-*.json")
    rows = summarise([json.loads(path.read_bytes()) for path in sorted(trials)], "kid")
    made = [line.split(" | ") for line in format_table(rows).splitlines()[2:]]
    # the page says which data, and not the number of pairs, which is three everywhere
    assert {line[2] for line in made} == {"3"}
    expected = [[data, line[0].strip("| "), *line[1:2], *line[3:-1], line[-1].strip("| ")] for line in made]
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    stated = [line.strip("| ").split(" | ") for line in re.findall(rf"^\| {data} \|.*$", page, re.MULTILINE)]
    assert stated == expected
