"""A real process of a search, killed between the fits of its polish and resumed: the bytes of one that ran through."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = (
    *("--data", "digits", "--data.max-images", "24", "--data.image-size", "8", "--quiet", "--device", "cpu"),
    *("--search.width", "4", "--search.noise-size", "8", "--search.num-epochs", "12", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--search.polish", "9"),
)


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "degas", "search", "--out", str(out), *TINY, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(run: Path) -> dict[str, bytes]:
    left_out = {"timing.jsonl", "environment.json", ".lock", "config.json"}
    files = [path for path in (run / "search").rglob("*") if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(run)): path.read_bytes() for path in files if "checkpoints" not in path.parts}


@pytest.mark.slow
def test_a_polish_killed_between_two_fits_ends_with_the_same_bytes(tmp_path: Path) -> None:
    straight, killed = start(tmp_path / "straight"), start(tmp_path / "killed")
    fits = tmp_path / "killed" / "search" / "polish"
    ends = time.monotonic() + 200
    while not list(fits.glob("*.json")) and killed.poll() is None and time.monotonic() < ends:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "search" / "done.json").exists()
    first = (fits / "found-s0.json").stat().st_mtime_ns
    for process in (straight, start(tmp_path / "killed", "--resume")):
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert results(tmp_path / "killed") == results(tmp_path / "straight")
    assert (fits / "found-s0.json").stat().st_mtime_ns == first
    record = json.loads((tmp_path / "straight" / "search" / "polish.json").read_text())
    assert 5 <= record["num_fits"] == len(list(fits.glob("*.json")))
