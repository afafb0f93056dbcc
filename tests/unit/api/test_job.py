"""What the stages of one call share: settings at fault are told at once, images are read once and only when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from degas.api import job as jobs
from degas.api.job import Job, python_call
from degas.errors import UserError
from degas.runtime.setup import Setup

SETUP = Setup("quick", "cpu", False, "none", ["degas"])


def test_a_setting_at_fault_is_told_before_the_images_are_looked_for() -> None:
    with pytest.raises(UserError, match=r"gan\.width"):
        Job("no-such-source", None, 0, SETUP, gan={"width": 0})


def test_the_preset_lies_under_what_is_given() -> None:
    made = Job("no-such-source", None, 0, SETUP, search={"num_epochs": 3})
    assert (made.search_settings.num_epochs, made.unchanged.num_epochs) == (3, 8)
    assert made.evaluate_settings.num_samples == 1797
    with pytest.raises(UserError, match="no-such-source"):
        assert made.images


def test_images_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    read = jobs.images_from
    monkeypatch.setattr(jobs, "images_from", lambda *given: reads.append(given) or read(*given))  # type: ignore[func-returns-value]
    made = Job("digits", None, 0, SETUP, data_settings={"max_images": 5})
    assert not reads
    assert made.images is made.images
    assert len(reads) == 1


def test_one_temporary_folder_where_none_is_named(tmp_path: Path) -> None:
    made = Job("digits", None, 0, SETUP)
    assert made.folder == made.folder
    assert Job("digits", tmp_path, 0, SETUP).folder == tmp_path
    made.folder.rmdir()


def test_a_call_from_python_is_recorded_as_one() -> None:
    assert python_call("run", "digits", Path("out"))[-1] == "import degas; degas.run('digits', 'out')"
    assert python_call("search", [1, 2])[-1] == "import degas; degas.search(<list>)"
