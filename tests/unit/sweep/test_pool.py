"""The local pool: places of a machine, and processes with their own cores and threads that end with their starter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.cores import allowed_cores
from degas.sweep import trial_process
from degas.sweep.pool import LocalPool, Place, Pool, local_pool, places, visible_gpus
from degas.sweep.trial_process import STILL_RUNNING, Order, run_commands

REFERENCE = str(Path(__file__).parents[2] / "reference")


@pytest.fixture(autouse=True)
def _stub_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([REFERENCE, os.environ.get("PYTHONPATH", "")]))


def order(folder: Path, name: str = "t", *words: str, threads: int = 1) -> Order:
    command = ["run", *words, "--out", str(folder / name)]
    log, lock = str(folder / f"{name}.txt"), str(folder / f"{name}.lock")
    return Order([command], str(folder), log, lock, threads, main="stub_trial:main")


def wait_for(path: Path, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not appear"
        time.sleep(0.02)


def end(pool: Pool, seconds: float = 60.0) -> int:
    (attempt,) = pool.ended(seconds)
    return attempt.exit_status


def test_places_have_cores_of_their_own() -> None:
    assert places(range(8), 1, None, [], 0) == [Place((k,)) for k in range(8)]
    assert places([2, 3, 5, 7, 11], 2, None, [], 0) == [Place((2, 3)), Place((5, 7))]
    assert len(places(range(8), 2, 3, [], 0)) == 3


def test_places_share_gpus_or_have_several() -> None:
    assert [one.gpus for one in places(range(8), 1, None, ["0", "1"], 0.5)] == ["0", "0", "1", "1"]
    assert [one.gpus for one in places(range(8), 1, None, ["0", "1", "2", "3"], 2)] == ["0,1", "2,3"]
    assert [one.gpus for one in places(range(2), 1, None, ["0", "1", "2"], 1)] == ["0", "1"]
    assert [one.gpus for one in places(range(2), 1, None, ["0"], 0)] == ["", ""]  # the CPU


@pytest.mark.parametrize(
    ("cores", "threads", "processes", "gpus", "per_trial", "said"),
    [
        (2, 4, None, 0, 0, r"--cpus-per-trial: is 4, and this machine gives 2 cores; give at most that many"),
        (4, 2, 3, 0, 0, r"--processes: 3 with 2 cores each need 6 cores, and this machine gives 4; give at most 2"),
        (4, 1, None, 0, 1, r"--gpus-per-trial: is 1, and this machine has 0 GPUs; give at most that many"),
        (4, 1, None, 1, 2, r"--gpus-per-trial: is 2, and this machine has 1 GPUs; give at most that many"),
    ],
)
def test_too_much_for_the_machine_is_an_error(
    cores: int, threads: int, processes: int | None, gpus: int, per_trial: float, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        places(range(cores), threads, processes, [str(k) for k in range(gpus)], per_trial)


def test_gpus_are_those_that_the_user_sees() -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-1"}) == ["3", "GPU-1"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_a_trial_has_its_threads_and_cores_before_it_imports_anything(tmp_path: Path) -> None:
    core = allowed_cores()[-1]
    pool = LocalPool([Place((core,), "")])
    pool.start("t", order(tmp_path, "t", "--seed=1", threads=3))
    assert (pool.has_room(), list(pool.running())) == (False, ["t"])
    assert end(pool) == 0
    facts = json.loads((tmp_path / "t" / "facts.json").read_text())
    assert facts["OMP_NUM_THREADS"] == "3"
    assert facts["CUDA_VISIBLE_DEVICES"] == ""
    assert facts["torch"] is False
    if hasattr(os, "sched_getaffinity"):
        assert facts["cores"] == [core]
    assert (pool.has_room(), pool.running()) == (True, {})


def test_the_pool_of_this_machine_has_a_place_for_each_core() -> None:
    assert local_pool(1, None, 0).num_places == len(allowed_cores())
    assert local_pool(1, 1, 0).num_places == 1


def test_stop_ends_trials_and_waits_for_them(tmp_path: Path) -> None:
    pool = LocalPool([Place(())])
    pool.start("t", order(tmp_path, "t", "--pause=0.05", "--steps=10000"))
    wait_for(tmp_path / "t" / "step")
    pool.stop()
    step = (tmp_path / "t" / "step").read_text()
    time.sleep(0.3)
    assert (tmp_path / "t" / "step").read_text() == step


def test_a_trial_ends_with_its_starter_even_if_that_is_killed(tmp_path: Path) -> None:
    told = order(tmp_path, "t", "--pause=0.05", "--steps=9999")
    code = (
        "import time; from degas.sweep.pool import LocalPool, Order, Place\n"
        f"pool = LocalPool([Place(())]); pool.start('t', Order(**{vars(told)})); time.sleep(999)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code])
    wait_for(tmp_path / "t" / "step")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    pool = LocalPool([Place(())])
    begun = time.monotonic()
    pool.start("t", order(tmp_path, "t", "--steps=2"))  # waits for the lock of the one that ends
    assert end(pool) == 0
    assert time.monotonic() - begun < 60
    step = (tmp_path / "t" / "step").read_text()
    time.sleep(0.2)
    assert (tmp_path / "t" / "step").read_text() == step


def test_a_trial_that_still_runs_is_not_run_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = LocalPool([Place(())])
    pool.start("t", order(tmp_path, "t", "--pause=0.05", "--steps=10000"))
    wait_for(tmp_path / "t" / "step")
    monkeypatch.setattr(trial_process, "LOCK_SECONDS", 0.2)
    read, write = os.pipe()
    before = os.dup(0)
    os.dup2(read, 0)
    try:
        os.write(write, order(tmp_path, "t").as_line())
        monkeypatch.setattr(trial_process, "_end_with_starter", lambda: None)
        assert trial_process.main() == STILL_RUNNING
    finally:
        os.dup2(before, 0)
        for descriptor in (before, read, write):
            os.close(descriptor)
        pool.stop()


def test_commands_run_until_one_fails() -> None:
    given: list[list[str]] = []

    def run(words: list[str]) -> int:
        given.append([*words, *sys.argv])
        return 3 if words == ["b"] else 0

    argv = sys.argv
    try:
        assert run_commands([["a"], ["b"], ["c"]], run) == 3
    finally:
        sys.argv = argv
    assert given == [["a", "degas", "a"], ["b", "degas", "b"]]
