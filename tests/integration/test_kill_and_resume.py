"""Real processes: killed while they write, asked to stop, refused a folder in use, out of disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from degas.errors import UserError
from degas.runtime.run_folder import StageFolder, read_jsonl

JOB = Path(__file__).with_name("counting_job.py")
LAST_STEP, MEGABYTES = 40, 20  # so that the latents take two files and a save most of a step


def start(folder: Path, *options: str, megabytes: int = MEGABYTES) -> subprocess.Popen[str]:
    command = [sys.executable, str(JOB), str(folder), str(LAST_STEP), str(megabytes), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, bufsize=1
    )


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    for seen in _stream(process.stdout):
        if seen.startswith(line):
            return
    pytest.fail(f"the job ended before {line!r}: {_stream(process.stderr).read()}")


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("metrics.jsonl", "result.json", "latents.pt")}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("straight") / "count"
    assert finish(start(folder))[0] == 0
    return results(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "count"


@pytest.mark.slow
def test_killed_while_writing_checkpoints_ends_with_the_same_bits(folder: Path, straight: dict[str, bytes]) -> None:
    chance, kills = random.Random(5), 0
    for round_ in range(4):
        process = start(folder, *(["--resume"] if round_ else []))
        wait_for(process, "start")
        for _ in range(chance.randint(1, 6)):
            wait_for(process, "step")
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        code, out, err = finish(process)
        assert code in (-signal.SIGKILL, 0), err  # 0: a very slow harness and a very quick job
        assert "warning" not in out
        kills += code != 0
    assert kills
    code, out, err = finish(start(folder, "--resume"))
    assert code == 0, err
    assert "warning" not in out
    assert results(folder) == straight
    assert [record["step"] for record in read_jsonl(folder / "timing.jsonl")] == list(range(1, LAST_STEP + 1))
    assert not list((folder / "checkpoints").glob(".*"))


@pytest.mark.slow
def test_sigterm_saves_and_a_damaged_newest_is_passed_over(folder: Path, straight: dict[str, bytes]) -> None:
    process = start(folder)
    wait_for(process, "step 5")
    process.terminate()
    code, out, err = finish(process)
    assert code == 143, err
    stopped_at = int(out.split()[-1])
    checkpoints = sorted((folder / "checkpoints").iterdir())
    assert checkpoints[-1].name == f"step-{stopped_at:08d}"
    victim = checkpoints[-1] / "tensors-00001.pt"
    victim.write_bytes(victim.read_bytes()[:-100])
    code, out, err = finish(start(folder, "--resume"))
    assert code == 0, err
    lines = out.splitlines()
    assert "damaged checkpoint" in lines[0]
    assert f"falling back to {checkpoints[-2].name}" in lines[0]
    assert lines[1] == f"start {int(checkpoints[-2].name[5:])}"
    assert results(folder) == straight


@pytest.mark.slow
def test_a_folder_in_use_is_refused_until_its_owner_is_dead(folder: Path) -> None:
    owner = start(folder)
    wait_for(owner, "step")
    owner.send_signal(signal.SIGSTOP)  # alive, but going nowhere
    for options in ([], ["--resume"]):
        code, _, err = finish(start(folder, *options))
        assert code == 2
        assert f"process {owner.pid} on" in err
        assert len(err.splitlines()) == 1
    owner.kill()
    finish(owner)
    with StageFolder(folder, settings={"last": LAST_STEP}, resume=True, kind="count") as taken:  # the stale lock
        assert taken.resuming


FORKING_OWNER = """
import os, sys, time
from pathlib import Path
from degas.runtime.run_folder import StageFolder
folder = StageFolder(Path(sys.argv[1]), settings={}, resume=False, kind="count")
child = os.fork()
if child == 0:
    print("child", os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
time.sleep(60)
"""


def test_a_worker_that_outlives_its_killed_owner_keeps_no_lock(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", FORKING_OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_for_child = _stream(owner.stdout).readline()
    assert wait_for_child.startswith("child")
    with pytest.raises(UserError, match="uses it"):
        StageFolder(folder, settings={}, resume=True, kind="count")
    owner.kill()
    owner.wait()
    os.kill(int(wait_for_child.split()[1]), 0)  # the worker lives
    with StageFolder(folder, settings={}, resume=True, kind="count"):
        pass
    _stream(owner.stdin).close()
    _stream(owner.stdout).close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB, where the machine lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("making a small file system needs the rights of root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_names_the_folder_and_keeps_the_checkpoint(small_disk: Path, tmp_path: Path) -> None:
    assert finish(start(tmp_path / "straight", megabytes=1))[0] == 0
    folder = small_disk / "count"
    process = start(folder, megabytes=1)
    wait_for(process, "step 6")
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as handle, suppress(OSError):
        while handle.write(bytes(4096)):
            pass
    code, _, err = finish(process)
    assert code == 2
    assert f"{folder}" in err
    assert "the disk is full" in err
    assert len(err.splitlines()) == 1
    filler.unlink()
    code, out, err = finish(start(folder, "--resume", megabytes=1))
    assert code == 0, err
    assert int(out.split()[1]) >= 4
    assert results(folder) == results(tmp_path / "straight")
