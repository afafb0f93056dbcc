"""Real `degas` processes, killed at random moments and resumed, against one that ran straight through.

Every stage ends with the same bytes: architecture, α, latents, weights, optimisers, metrics, samples, scores. Processes
differ in their hash seed, so the comparison also shows that two fresh processes agree.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from degas.runtime.checkpoint import load_newest

pytestmark = pytest.mark.timeout(1800)

SIZE = ("--data.image-size", "8", "--quiet")
SEARCH = (
    *("--search.width", "4", "--search.noise-size", "8", "--search.num-epochs", "12", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--search.log-steps", "1", "--search.checkpoint-steps", "4"),
)
GAN = (
    *("--gan.width", "4", "--gan.num-steps", "30", "--gan.batch-images", "4", "--gan.log-steps", "1"),
    *("--gan.sample-steps", "7", "--gan.checkpoint-steps", "4", "--gan.objective", "ct-gan"),
)
EVALUATE = ("--evaluate.num-samples", "16")
NOT_COMPARED = {"timing.jsonl", "environment.json", ".lock", "config.json", "report.html", "README.md"}
STAGES = {"search": "search", "train": "train", "evaluate": "evaluation", "run": "."}  # command → folder inside RUN
moments = pytest.mark.parametrize(
    "num_kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.nightly)]
)
every_stage = pytest.mark.parametrize("stage", STAGES)


class Straight:
    """A run that nobody disturbed: its folder, its data, and how long each stage worked."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.run = root, root / "images", root / "run"
        rng = np.random.default_rng(0)
        for name in ("a", "b"):
            (self.data / name).mkdir(parents=True)
            for k in range(12):
                Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(self.data / name / f"{k:02d}.png")
        process = self.start("run", self.run, hash_seed=0)
        _, err = process.communicate()
        assert process.returncode == 0, err
        self.seconds = {name: self._seconds(name) for name in ("search", "train")}
        self.seconds["evaluate"] = 4.0
        self.seconds["run"] = sum(self.seconds.values())

    def start(self, stage: str, out: Path, *more: str, hash_seed: int | None = None) -> subprocess.Popen[str]:
        options: dict[str, tuple[Any, ...]] = {
            "search": SEARCH,
            "train": (*GAN, "--architecture", self.run / "search" / "architecture.json"),
            "evaluate": (*EVALUATE, "--generator", self.run / "train" / "generator"),
            "run": (*SEARCH, *GAN, *EVALUATE),
        }
        command = [sys.executable, "-m", "degas", stage, "--data", self.data, "--out", out, *SIZE, *options[stage]]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.root / "cache")}
        environment["PYTHONHASHSEED"] = "random" if hash_seed is None else str(hash_seed)
        arguments = [str(argument) for argument in (*command, *more)]
        return subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
            # A shell starts background jobs deaf to Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def resume(self, stage: str, out: Path) -> subprocess.Popen[str]:
        return self.start(stage, out, *([] if stage == "evaluate" else ["--resume"]))

    def _seconds(self, name: str) -> float:
        folder = self.run / name
        return (folder / "done.json").stat().st_mtime - (folder / "config.json").stat().st_mtime


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    return Straight(tmp_path_factory.mktemp("straight"))


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and standard error."""
    _, err = process.communicate(timeout=300)
    return process.returncode, err


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> bool:
    """False where the process ended first."""
    while process.poll() is None:
        if ready():
            return True
        time.sleep(0.005)
    return False


def started_in(out: Path, stage: str, process: subprocess.Popen[str]) -> Callable[[], bool]:
    """Whether this very process owns the stage's folder: locks outlive their processes as files."""
    lock = out / {"run": "search"}.get(stage, STAGES[stage]) / ".lock"
    return lambda: lock.exists() and f"process {process.pid} " in lock.read_text()


def results(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on interruptions, by file name; checkpoints by their content."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        card = path.name == "samples.png" and path.parent.name == "generator"  # beside the model card of `run`
        if path.is_file() and path.name not in NOT_COMPARED and not card and "checkpoints" not in name:
            found[name] = path.read_bytes()
        elif path.name == "checkpoints":
            found[name] = load_newest(path, pytest.fail)
        if path.name == "scores.json":
            found[name] = {**json.loads(path.read_text()), "generator": None}
    return found


def assert_equal(got: Any, expected: Any, where: str = "results") -> None:
    assert type(got) is type(expected), where
    if isinstance(expected, dict):
        assert list(got) == list(expected), where
        for key in expected:
            assert_equal(got[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected), where
        for index, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert_equal(one, other, f"{where}[{index}]")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected), where
    else:
        assert got == expected, where


@every_stage
@moments
def test_killed_at_random_moments_ends_with_the_same_bits(
    stage: str, num_kills: int, straight: Straight, tmp_path: Path
) -> None:
    chance, kills, resumed = random.Random(f"{stage} {num_kills}"), 0, 0
    expected, out = results(straight.run / STAGES[stage]), tmp_path / "run"
    while kills < num_kills:
        process = straight.resume(stage, out)
        if wait_until(process, started_in(out, stage, process)):
            time.sleep(chance.uniform(0, straight.seconds[stage]))
        os.killpg(process.pid, signal.SIGKILL)
        status, err = finish(process)
        assert status in (0, -signal.SIGKILL), err
        assert "damaged" not in err
        kills += status != 0
        resumed += kills > 0
        if status == 0:  # it was quicker than the axe; the next one starts afresh
            assert_equal(results(out / STAGES[stage]), expected)
            shutil.rmtree(out)
    assert resumed
    status, err = finish(straight.resume(stage, out))
    assert status == 0, err
    assert_equal(results(out / STAGES[stage]), expected)


@pytest.mark.parametrize(
    ("stage", "number", "status"),
    [
        pytest.param("search", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param("train", signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param("search", signal.SIGTERM, 143, marks=pytest.mark.nightly),
        pytest.param("train", signal.SIGINT, 130, marks=pytest.mark.nightly),
    ],
)
def test_asked_to_stop_it_saves_first(
    stage: str, number: signal.Signals, status: int, straight: Straight, tmp_path: Path
) -> None:
    folder = tmp_path / stage
    process = straight.start(stage, tmp_path)
    metrics = folder / "metrics.jsonl"
    assert wait_until(process, lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= 3)
    process.send_signal(number)
    code, err = finish(process)
    assert code == status, err
    assert "continue with --resume" in err.splitlines()[-1]
    logged = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    found = load_newest(folder / "checkpoints", pytest.fail)
    assert found is not None
    assert found[0] == logged[-1]  # not a step is lost
    assert not (folder / "done.json").exists()
    code, err = finish(straight.resume(stage, tmp_path))
    assert code == 0, err
    assert_equal(results(folder), results(straight.run / stage))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_evaluation_leaves_no_half_scores(
    number: signal.Signals, status: int, straight: Straight, tmp_path: Path
) -> None:
    process = straight.start("evaluate", tmp_path)
    assert wait_until(process, started_in(tmp_path, "evaluate", process))
    process.send_signal(number)
    code, err = finish(process)
    assert code == status, err
    assert err.startswith("degas: ")
    assert len(err.splitlines()) == 1
    assert not list((tmp_path / "evaluation").glob("*"))[1:]  # the lock alone
    assert finish(straight.start("evaluate", tmp_path))[0] == 0
    assert_equal(results(tmp_path / "evaluation"), results(straight.run / "evaluation"))


@pytest.mark.slow
@every_stage
def test_a_second_process_on_the_folder_is_refused(stage: str, straight: Straight, tmp_path: Path) -> None:
    owner = straight.start(stage, tmp_path)
    assert wait_until(owner, started_in(tmp_path, stage, owner))
    os.killpg(owner.pid, signal.SIGSTOP)  # alive, and going nowhere
    try:
        code, err = finish(straight.resume(stage, tmp_path))
    finally:
        os.killpg(owner.pid, signal.SIGKILL)
        finish(owner)
    assert code == 2
    assert f"process {owner.pid} on" in err
    assert "uses it; wait until that ends, or give another --out" in err
    assert len([line for line in err.splitlines() if "warning" not in line]) == 1


@pytest.mark.slow
def test_resume_without_a_checkpoint_starts_afresh(straight: Straight, tmp_path: Path) -> None:
    status, err = finish(straight.resume("search", tmp_path))
    assert status == 0, err
    assert_equal(results(tmp_path / "search"), results(straight.run / "search"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes, or enlarges, a file system of so many bytes, where the machine lets us."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def make(num_bytes: int) -> Path:
        remount = ["-o", f"remount,size={num_bytes}"] if os.path.ismount(disk) else ["-o", f"size={num_bytes}"]
        try:
            mounted = subprocess.run(["mount", "-t", "tmpfs", *remount, "none", str(disk)], capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if mounted.returncode:
            pytest.skip("making a small file system needs the rights of root")
        return disk

    yield make
    if os.path.ismount(disk):
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("stage", "share"),
    [
        pytest.param("search", 0.5, marks=pytest.mark.slow),
        pytest.param("train", 0.9, marks=pytest.mark.slow),
        pytest.param("search", 0.9, marks=pytest.mark.nightly),
        pytest.param("train", 0.5, marks=pytest.mark.nightly),
    ],
)
def test_a_full_disk_costs_nothing_but_the_time(
    stage: str, share: float, straight: Straight, small_disk: Callable[[int], Path]
) -> None:
    taken = sum(-(-path.stat().st_size // 4096) * 4096 for path in (straight.run / stage).rglob("*") if path.is_file())
    out = small_disk(int(share * taken))
    status, err = finish(straight.start(stage, out))
    assert status == 2, err
    last = err.splitlines()[-1]
    assert last.startswith("degas: ")
    assert "the disk is full" in last or "No space left on device" in last
    assert "Traceback" not in err
    small_disk(10 * taken)
    status, err = finish(straight.resume(stage, out))
    assert status == 0, err
    assert_equal(results(out / stage), results(straight.run / stage))
