"""Trials are kept one by one, read again, and never mixed with those of other settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from degas.errors import UserError
from degas.runtime.comparison import Rules
from degas_lab.trials import Trials


def test_a_finished_trial_is_not_run_again(tmp_path: Path) -> None:
    calls: list[str] = []

    def trial() -> dict[str, Any]:
        calls.append("ran")
        return {"loss": 0.5}

    first = Trials(tmp_path, {"seed": 1}).run("a", trial)
    assert Trials(tmp_path, {"seed": 1}).run("a", trial) == first == {"loss": 0.5}
    assert calls == ["ran"]
    assert Trials(tmp_path, {"seed": 1}).records() == {"a": first}


def test_a_failed_trial_leaves_nothing(tmp_path: Path) -> None:
    trials = Trials(tmp_path, {})
    with pytest.raises(ZeroDivisionError):
        trials.run("a", lambda: {"x": 1 // 0})
    assert trials.records() == {}
    assert trials.run("a", lambda: {"x": 1}) == {"x": 1}


@pytest.mark.parametrize("text", ['{"loss": 0.', "", "[1]", b"\xff\xfe\x00"])
def test_a_damaged_record_or_settings_file_is_named_in_one_line(tmp_path: Path, text: str | bytes) -> None:
    """A copy of the trials that was cut off, say; the record is neither taken nor overwritten."""
    Trials(tmp_path, {"seed": 1}).run("a", lambda: {"loss": 0.5})
    damaged = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "a.json").write_bytes(damaged)
    trials = Trials(tmp_path, {"seed": 1})
    for read in (trials.records, lambda: trials.run("a", lambda: {"loss": 1.0}), lambda: trials.known("a")):
        with pytest.raises(UserError, match=r"a\.json: not .*; copy it again, or remove it, and the same") as caught:
            read()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "a.json").read_bytes() == damaged
    (tmp_path / "settings.json").write_bytes(damaged)
    with pytest.raises(UserError, match=r"settings\.json: not .*; copy it again, or give another --out"):
        Trials(tmp_path, {"seed": 1})


def test_other_settings_are_refused(tmp_path: Path) -> None:
    Trials(tmp_path, {"seed": 1})
    with pytest.raises(UserError, match="other settings"):
        Trials(tmp_path, {"seed": 2})


def test_the_same_images_by_another_path_go_on(tmp_path: Path) -> None:
    def settings(source: str, num_images: int, fingerprint: str) -> dict[str, Any]:
        return {"data": {"source": source, "num_images": num_images, "fingerprint": fingerprint}, "seed": 1}

    Trials(tmp_path, settings("data/pets", 40, "x"))
    Trials(tmp_path, settings("/copy/of/pets", 40, "x"))
    with pytest.raises(UserError, match="40 → 41 images"):
        Trials(tmp_path, settings("data/pets", 41, "y"))


def test_a_setting_added_since_has_its_default_and_is_written_down(tmp_path: Path) -> None:
    rules = Rules(defaults={"gan.start": "white"})
    Trials(tmp_path, {"gan": {"width": 3}, "seed": 0})
    with pytest.raises(UserError, match=r"gan\.start was unset"):
        Trials(tmp_path, {"gan": {"width": 3, "start": "white"}, "seed": 0})  # nothing says that it is the default
    with pytest.raises(UserError, match=r'gan\.start was "white" and is "flat" now'):
        Trials(tmp_path, {"gan": {"width": 3, "start": "flat"}, "seed": 0}, rules)
    Trials(tmp_path, {"gan": {"width": 3, "start": "white"}, "seed": 0}, rules)
    assert json.loads((tmp_path / "settings.json").read_text())["gan"]["start"] == "white"
    with pytest.raises(UserError, match="other settings"):  # a default that changes later mixes nothing
        Trials(tmp_path, {"gan": {"width": 3, "start": "flat"}, "seed": 0}, Rules(defaults={"gan.start": "flat"}))
