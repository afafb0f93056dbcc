"""Run folders carried between disks: complete, in the right order, and never half in place."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from degas.sweep import carrying
from degas.sweep.carrying import pack, recover, unpack


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "there" / "runs" / "t"
    (run / "train/checkpoints").mkdir(parents=True)
    (run / "train/metrics.jsonl").write_text("1\n2\n")
    (run / "train/checkpoints/step-2.pt").write_bytes(b"weights")
    (run / "train/.lock").write_text("process 3")
    (run / "train/done.json").write_text("{}")
    (tmp_path / "there/t.txt").write_text("printed")
    return run


@pytest.mark.parametrize("safely", [carrying.SAFELY, {}], ids=["this Python", "before 3.11.4"])
def test_a_folder_arrives_as_it_was_but_for_locks(
    safely: dict[str, Any], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "SAFELY", safely)
    here, log = tmp_path / "here" / "runs" / "t", tmp_path / "here" / "logs" / "t.txt"
    unpack(pack(run, tmp_path / "there/t.txt"), here, log)
    expected = files(run)
    del expected["train/.lock"]
    assert files(here) == expected
    assert log.read_text() == "printed"
    (run / "train/done.json").unlink()
    unpack(pack(run, tmp_path / "there/t.txt"), here, log)
    assert "train/done.json" not in files(here)
    assert [entry.name for entry in here.parent.iterdir()] == ["t"]


def test_an_empty_package_is_an_empty_folder(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "none", tmp_path / "none.txt"), tmp_path / "t", tmp_path / "t.txt")
    assert files(tmp_path / "t") == {}
    assert not (tmp_path / "t.txt").exists()


def test_checkpoints_are_read_before_logs(run: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(run, tmp_path / "there/t.txt"))) as tar:
        assert tar.getnames() == [
            "run/train/checkpoints/step-2.pt",
            *("run/train/done.json", "run/train/metrics.jsonl", "log.txt"),
        ]


def test_a_file_that_vanishes_is_left_out(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(carrying._files(run))
    (run / "train/checkpoints/step-2.pt").unlink()
    monkeypatch.setattr(carrying, "_files", lambda run: found)
    with tarfile.open(fileobj=io.BytesIO(pack(run, tmp_path / "there/t.txt"))) as tar:
        assert "run/train/checkpoints/step-2.pt" not in tar.getnames()


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_crash_at_any_moment_leaves_the_old_folder_or_the_new(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    here, log = tmp_path / "t", tmp_path / "t.txt"
    unpack(pack(run, tmp_path / "there/t.txt"), here, log)
    old = files(here)
    (run / "train/metrics.jsonl").write_text("1\n2\n3\n")
    count, replace = 0, os.replace

    def crash(*paths: Any) -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        unpack(pack(run, tmp_path / "there/t.txt"), here, log)
    monkeypatch.undo()
    recover(here)
    assert files(here) == old
    unpack(pack(run, tmp_path / "there/t.txt"), here, log)
    assert files(here)["train/metrics.jsonl"] == b"1\n2\n3\n"
