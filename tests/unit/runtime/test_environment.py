"""What a number can depend on is written down."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch

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
