"""Trials made side by side: the same files to the byte in any order, in phases, and with failures told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forced_pool import ORDERS, ForcedPool
from PIL import Image

from degas.cli.main import main
from degas.errors import UserError
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab import ahead
from degas_lab.trials import AHEAD, Trials

TINY = (
    *("--data.image-size", "8", "--search.batch-images", "8"),
    *("--num-epochs", "1", "--num-random", "2", "--num-equal", "0", "--device", "cpu"),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("ahead") / "images", np.random.default_rng(0)
    folder.mkdir()
    for k in range(16):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{k:02d}.png")
    Architecture(1, 1, 4, 2, 4, 3, SearchSpace(1).draw(0)).save(folder.parent / "found.json")
    return folder


def command(images: Path, out: Path, *more: str) -> list[str]:
    words = ["experiment", "found-vs-random", "--architecture", str(images.parent / "found.json")]
    return [*words, "--data", str(images), "--out", str(out), *TINY, *more]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


@pytest.fixture(scope="module")
def one_after_another(images: Path) -> dict[str, bytes]:
    out = images.parent / "plain"
    assert main(command(images, out)) == 0
    assert not (out / "processes").exists()
    return files(out)


@pytest.mark.parametrize("choose", ORDERS)
def test_any_order_of_ends_gives_the_same_bytes(
    choose: str,
    images: Path,
    one_after_another: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = ForcedPool(ORDERS[choose])
    monkeypatch.setattr(ahead, "make_pool", lambda options, folder: pool)
    assert main(command(images, tmp_path, "--processes", "2")) == 0
    printed = capsys.readouterr().out
    assert files(tmp_path) == one_after_another
    assert len(pool.order) == 5
    told = [line.split()[0] for line in printed.splitlines()[:5]]
    assert told == ["found", "random-00", "random-01", "smallest", "biggest"]  # in the plan's order, as ever
    assert main(command(images, tmp_path, "--processes", "2")) == 0
    assert len(pool.order) == 5  # nothing was missing


def test_quiet_tells_the_result_alone(
    images: Path, one_after_another: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for more in ((), ("--quiet",)):
        assert main(command(images, images.parent / "plain", *more)) == 0
        told.append(capsys.readouterr().out.splitlines())
    assert [line.split()[0] for line in told[0][:5]] == ["found", "random-00", "random-01", "smallest", "biggest"]
    assert told[1] == told[0][5:]
    assert len(told[1]) >= 3


@pytest.mark.slow
def test_processes_of_their_own_give_the_same_bytes(
    images: Path, one_after_another: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Real ones: the command runs again in each, and ends with its trial."""
    assert main(command(images, tmp_path, "--processes", "1")) == 0
    assert files(tmp_path) == one_after_another
    assert capfd.readouterr().err.count("done ") == 5
    logs = {path.stem: path.read_text() for path in (tmp_path / "processes" / "logs").iterdir()}
    assert set(logs) == {"found", "random-00", "random-01", "smallest", "biggest"}


def makers(calls: list[str], *names: str) -> dict[str, Callable[[], dict[str, Any]]]:
    def make(name: str) -> dict[str, Any]:
        calls.append(name)
        return {"name": name}

    return {name: partial(make, name) for name in names}


def test_a_process_makes_its_trial_and_no_other(tmp_path: Path) -> None:
    calls: list[str] = []
    token = AHEAD.set(ahead.OnlyOne(tmp_path / "second", "b"))
    try:
        first, second = Trials(tmp_path / "first", {}), Trials(tmp_path / "second", {})
        first.make_ahead(makers(calls, "a", "b"))  # another phase, in another folder
        with pytest.raises(UserError, match="trial a was not made"):
            first.run("a", makers(calls, "a")["a"])
        with pytest.raises(ahead.TrialMade):
            second.make_ahead(makers(calls, "a", "b"))
    finally:
        AHEAD.reset(token)
    assert calls == ["b"]
    assert second.records() == {"b": {"name": "b"}}


def test_a_trial_that_is_not_enough_is_made_again(tmp_path: Path) -> None:
    """As a contest's rungs do, which continue trainings; one that still is not is told."""
    made: list[str] = []

    def helper(trials: Trials, missing: Mapping[str, Any]) -> dict[str, str]:
        made.extend(missing)
        trials.make("a", lambda: {"steps": 2})
        return dict.fromkeys(missing, "its process made no trial")

    trials = Trials(tmp_path, {})
    for name, steps in (("a", 1), ("b", 1), ("c", 2)):
        trials.make(name, partial(dict, steps=steps))
    token = AHEAD.set(helper)
    try:
        trials.make_ahead(makers([], "a", "b", "c"), lambda name, record: record["steps"] == 2)
        assert made == ["a", "b"]
        assert trials.run("a", dict, lambda record: record["steps"] == 2) == {"steps": 2}
        with pytest.raises(UserError, match="trial b was not made: its process made no trial"):
            trials.run("b", dict, lambda record: record["steps"] == 2)
    finally:
        AHEAD.reset(token)


def test_a_trial_that_was_not_made_is_told_where_it_is_needed(tmp_path: Path) -> None:
    def helper(trials: Trials, missing: Mapping[str, Any]) -> dict[str, str]:
        trials.make("a", missing["a"])
        return {"b": "--gan.width: must be at least 1, not 0 (see b.txt)"}

    calls: list[str] = []
    token = AHEAD.set(helper)
    try:
        trials, wanted = Trials(tmp_path, {}), makers(calls, "a", "b")
        trials.make_ahead(wanted)
        assert trials.run("a", wanted["a"]) == {"name": "a"}
        with pytest.raises(UserError, match=r"trial b was not made: --gan\.width: must be at least 1"):
            trials.run("b", wanted["b"])
    finally:
        AHEAD.reset(token)
    assert calls == ["a"]


def test_settings_of_processes_need_processes(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(images, tmp_path / "x", "--cpus-per-trial", "2")) == 2
    assert "--cpus-per-trial: counts for trials in processes; give --processes as well" in capsys.readouterr().err
    assert main(command(images, tmp_path / "x", "--cpus-per-trial", "2", "--gpus-per-trial", "1")) == 2
    assert "--cpus-per-trial --gpus-per-trial: count for trials" in capsys.readouterr().err


def test_a_settings_file_is_written_once(tmp_path: Path) -> None:
    """Many processes open the same folder at a time, and a replaced file has one temporary name."""
    Trials(tmp_path, {"seed": 1})
    before = (tmp_path / "settings.json").stat().st_mtime_ns
    Trials(tmp_path, {"seed": 1})
    assert (tmp_path / "settings.json").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "settings.json").read_bytes()) == {"seed": 1}
