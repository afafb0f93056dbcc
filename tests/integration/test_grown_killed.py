"""Real processes of a search and of a training that grow, killed and resumed: the bytes of ones that ran through."""

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


TRAIN = (
    *("--data", "digits", "--data.max-images", "24", "--data.image-size", "16", "--quiet", "--device", "cpu"),
    *("--architecture", "resnet", "--gan.width", "4", "--gan.num-steps", "60", "--gan.batch-images", "4"),
    *("--gan.grow", "fade", "--gan.log-steps", "1", "--gan.sample-steps", "7", "--gan.checkpoint-steps", "5"),
)


def start(out: Path, *more: str, stage: str = "search") -> subprocess.Popen[str]:
    given = TINY if stage == "search" else TRAIN
    command = [sys.executable, "-m", "degas", stage, "--out", str(out), *given, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(run: Path, stage: str = "search") -> dict[str, bytes]:
    left_out = {"timing.jsonl", "environment.json", ".lock", "config.json"}
    files = [path for path in (run / stage).rglob("*") if path.is_file() and path.name not in left_out]
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


@pytest.mark.nightly
def test_a_training_killed_in_each_stage_and_at_the_border_ends_with_the_same_bytes(tmp_path: Path) -> None:
    straight = start(tmp_path / "straight", stage="train")
    said = straight.communicate()[1]
    assert straight.returncode == 0, said
    checkpoints = tmp_path / "killed" / "train" / "checkpoints"
    for step in (10, 30, 40):  # the second stage begins after step 30
        process = start(tmp_path / "killed", "--resume", stage="train")
        ends = time.monotonic() + 200
        while not (checkpoints / f"step-{step:08d}").is_dir() and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "killed" / "train" / "done.json").exists()
    last = start(tmp_path / "killed", "--resume", stage="train")
    said = last.communicate()[1]
    assert last.returncode == 0, said
    assert results(tmp_path / "killed", "train") == results(tmp_path / "straight", "train")
