"""Cores taken by other programs: seen, and told only to a process whose threads would wait for each other."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from degas.runtime import cores
from degas.runtime.cores import Look, allowed_cores, complaint, look, taken

STAT = "cpu  9 9 9 9\ncpu0 100 10 5 900 7 3 2 0 0 0\ncpu1 200 0 0 900 0 0 0 0 0 0\ncpu2 999 0 0 0 0 0 0 0 0 0\nintr 5\n"


def test_busy_seconds_are_those_of_the_allowed_cores_without_idle_and_waiting() -> None:
    assert cores._busy_seconds(STAT, (0,), 100) == pytest.approx(1.2)
    assert cores._busy_seconds(STAT, (0, 1), 100) == pytest.approx(3.2)


def test_taken_is_what_others_use() -> None:
    before = Look(busy=10.0, own=1.0, at=100.0)
    assert taken(before, Look(busy=16.0, own=3.0, at=102.0)) == pytest.approx(2.0)
    assert taken(before, Look(busy=10.1, own=3.0, at=102.0)) == 0.0  # clocks tick coarsely
    assert taken(before, Look(busy=16.0, own=3.0, at=100.1)) == 0.0  # too short to know
    assert taken(None, before) == taken(before, None) == 0.0


@pytest.mark.parametrize(
    ("busy", "threads", "num_cores", "free"),
    [
        (0.0, 2, 2, None),
        (2.0, 1, 2, None),
        (0.4, 2, 2, None),
        (2.0, 2, 2, 1),
        (1.0, 2, 2, 1),
        (6.0, 8, 8, 2),
        (1.0, 4, 8, None),
    ],
)
def test_several_threads_on_taken_cores_are_told_how_many_are_free(
    busy: float, threads: int, num_cores: int, free: int | None
) -> None:
    said = complaint(busy, threads, num_cores)
    found = re.search(r"OMP_NUM_THREADS=(\d+)", said)
    assert (int(found[1]) if found else None) == free
    if free is not None:
        assert said.startswith(f"other programs use {busy:.1f} of {num_cores} cores, and {threads} threads would wait")


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc/stat")
def test_a_busy_process_is_seen_and_our_own_work_is_not() -> None:
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        before = look()
        until = time.process_time() + 0.6
        while time.process_time() < until:
            pass
        found = taken(before, look())
    finally:
        other.kill()
        other.wait()
    assert 0.2 < found < len(allowed_cores()) + 0.2


def test_only_the_first_stage_of_a_command_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([Look(0.0, 0.0, 0.0), *[Look(100.0, 0.0, 10.0)] * 2])
    monkeypatch.setattr(cores, "look", lambda: next(moments))
    monkeypatch.setattr(cores, "allowed_cores", lambda: (0, 1))
    cores.begin()
    assert "OMP_NUM_THREADS=1" in cores.notice(2)
    assert cores.notice(2) == ""
