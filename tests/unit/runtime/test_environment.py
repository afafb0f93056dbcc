"""What a number can depend on is written down."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch

from degas.errors import UserError
from degas.runtime.environment import LAUNCHER, check_launcher
from degas.runtime.run_folder import write_environment


def test_environment_holds_versions_machine_and_command(tmp_path: Path) -> None:
    write_environment(tmp_path, ["degas", "search", "--out", "RUN"])
    record = json.loads((tmp_path / "environment.json").read_text())
    assert record["python"] == platform.python_version()
    assert record["torch"] == torch.__version__
    assert record["num_threads"] == torch.get_num_threads()
    assert record["command"] == ["degas", "search", "--out", "RUN"]
    assert {"degas", "platform", "cpu", "device", "num_cpus", "num_ranks"} <= set(record)
    assert record["cpu"]


def test_a_file_may_be_named(tmp_path: Path) -> None:
    write_environment(tmp_path / "elsewhere.json", [])
    assert (tmp_path / "elsewhere.json").is_file()


def test_only_rank_0_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    write_environment(tmp_path, [])
    assert not list(tmp_path.iterdir())


WHOLE = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LOCAL_RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"RANK": "x", "LOCAL_RANK": "x", "WORLD_SIZE": "x"},
        WHOLE,
    ],
)
def test_one_process_needs_no_launcher_and_several_a_whole_one(
    variables: dict[str, str], launcher: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        launcher.setenv(name, value)
    check_launcher(cuda=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"RANK": None}, "2 processes, but these variables are not set: RANK"),
        ({"MASTER_ADDR": None, "MASTER_PORT": None}, "not set: MASTER_ADDR, MASTER_PORT"),
        ({"LOCAL_RANK": None}, "not set: LOCAL_RANK"),
        ({"RANK": "2"}, "RANK is '2', not a number from 0 to 1"),
        ({"RANK": "-1"}, "RANK is '-1'"),
        ({"MASTER_PORT": "many"}, "MASTER_PORT is 'many'"),
    ],
)
def test_half_a_launcher_is_told_in_a_line(
    changes: dict[str, str | None], told: str, launcher: pytest.MonkeyPatch
) -> None:
    for name, value in {**WHOLE, **changes}.items():
        if value is not None:
            launcher.setenv(name, value)
    with pytest.raises(UserError, match=told):
        check_launcher(cuda=True)
    if "LOCAL_RANK" in changes:
        check_launcher(cuda=False)
