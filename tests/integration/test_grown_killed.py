"""A real `degas search --search.grow`, killed in its second stage and resumed: the bytes of one that ran through."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = (
    *("--data", "digits", "--data.max-images", "24", "--quiet", "--search.grow", "--device", "cpu"),
    *("--search.width", "4", "--search.noise-size", "8", "--search.num-epochs", "20", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--search.log-steps", "1", "--search.checkpoint-steps", "4"),
)


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "degas", "search", "--out", str(out), *TINY, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(run: Path) -> dict[str, bytes]:
    left_out = {"timing.jsonl", "environment.json", ".lock", "config.json"}
    files = [path for path in (run / "search").rglob("*") if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(run)): path.read_bytes() for path in files if "checkpoints" not in path.parts}


@pytest.mark.slow
def test_a_killed_stage_is_resumed_and_a_finished_one_is_kept(tmp_path: Path) -> None:
    straight, killed = start(tmp_path / "straight"), start(tmp_path / "killed")
    later = tmp_path / "killed" / "search" / "grow-016" / "checkpoints" / "step-00000008"
    ends = time.monotonic() + 200
    while not later.is_dir() and killed.poll() is None and time.monotonic() < ends:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "search" / "grow-016" / "done.json").exists()
    first = (tmp_path / "killed" / "search" / "grow-008" / "done.json").stat().st_mtime_ns
    for process in (straight, start(tmp_path / "killed", "--resume")):
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert results(tmp_path / "killed") == results(tmp_path / "straight")
    assert (tmp_path / "killed" / "search" / "grow-008" / "done.json").stat().st_mtime_ns == first
