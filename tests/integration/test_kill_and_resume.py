"""Real processes: killed while they write, asked to stop, refused a folder in use, out of disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.run_folder import StageFolder, read_jsonl

JOB = Path(__file__).with_name("counting_job.py")
LAST_STEP, MEGABYTES = 40, 20  # so that the latents take two files and a save most of a step


class Job:
    """A running `counting_job.py`; its lines go to files, where a harness and a later reader both see all of them."""

    def __init__(self, folder: Path, *options: str, megabytes: int = MEGABYTES) -> None:
        scratch = Path(tempfile.mkdtemp(prefix="degas-job-"))
        self.out, self.err = scratch / "out", scratch / "err"
        command = [sys.executable, str(JOB), str(folder), str(LAST_STEP), str(megabytes), *options]
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def wait_for(self, start: str, count: int = 1) -> None:
        """Returns once `count` lines begin with `start`."""
        deadline = time.monotonic() + 120
        while sum(line.startswith(start) for line in self.out.read_text().splitlines()) < count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"no {start!r} from the job: {self.err.read_text()}")
            time.sleep(0.002)

    def finish(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        try:
            code = self.process.wait(timeout=120)
        finally:
            self.process.kill()
        texts = self.out.read_text(), self.err.read_text()
        shutil.rmtree(self.out.parent)
        return code, *texts


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("metrics.jsonl", "result.json", "latents.pt")}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("straight") / "count"
    assert Job(folder).finish()[0] == 0
    return results(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "count"


@pytest.mark.slow
def test_killed_while_writing_checkpoints_ends_with_the_same_bits(folder: Path, straight: dict[str, bytes]) -> None:
    chance, kills = random.Random(5), 0
    for round_ in range(4):
        job = Job(folder, *(["--resume"] if round_ else []))
        job.wait_for("step", chance.randint(1, 6))
        time.sleep(chance.uniform(0, 0.05))
        job.process.kill()
        code, out, err = job.finish()
        assert code in (-signal.SIGKILL, 0), err  # 0: a very slow harness and a very quick job
        assert "warning" not in out
        kills += code != 0
    assert kills
    code, out, err = Job(folder, "--resume").finish()
    assert code == 0, err
    assert "warning" not in out
    assert results(folder) == straight
    assert [record["step"] for record in read_jsonl(folder / "timing.jsonl")] == list(range(1, LAST_STEP + 1))
    assert not list((folder / "checkpoints").glob(".*"))


@pytest.mark.slow
def test_sigterm_saves_and_a_damaged_newest_is_passed_over(folder: Path, straight: dict[str, bytes]) -> None:
    job = Job(folder)
    job.wait_for("step 5")
    job.process.terminate()
    code, out, err = job.finish()
    assert code == 143, err
    stopped_at = int(out.split()[-1])
    checkpoints = sorted((folder / "checkpoints").iterdir())
    assert checkpoints[-1].name == f"step-{stopped_at:08d}"
    victim = checkpoints[-1] / "tensors-00001.pt"
    victim.write_bytes(victim.read_bytes()[:-100])
    code, out, err = Job(folder, "--resume").finish()
    assert code == 0, err
    lines = out.splitlines()
    assert "damaged checkpoint" in lines[0]
    assert f"falling back to {checkpoints[-2].name}" in lines[0]
    assert lines[1] == f"start {int(checkpoints[-2].name[5:])}"
    assert results(folder) == straight


@pytest.mark.slow
def test_a_folder_in_use_is_refused_until_its_owner_is_dead(folder: Path) -> None:
    owner = Job(folder)
    owner.wait_for("step")
    owner.process.send_signal(signal.SIGSTOP)  # alive, but going nowhere
    for options in ([], ["--resume"]):
        code, _, err = Job(folder, *options).finish()
        assert code == 2
        assert f"process {owner.process.pid} on" in err
        assert len(err.splitlines()) == 1
    owner.process.kill()
    owner.finish()
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
    assert owner.stdin is not None
    assert owner.stdout is not None
    child = owner.stdout.readline()
    assert child.startswith("child")
    with pytest.raises(UserError, match="uses it"):
        StageFolder(folder, settings={}, resume=True, kind="count")
    owner.kill()
    owner.wait()
    os.kill(int(child.split()[1]), 0)  # the worker lives
    with StageFolder(folder, settings={}, resume=True, kind="count"):
        pass
    owner.stdin.close()
    owner.stdout.close()


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
    assert Job(tmp_path / "straight", megabytes=1).finish()[0] == 0
    folder = small_disk / "count"
    job = Job(folder, megabytes=1)
    job.wait_for("step 6")
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as handle:
        while job.process.poll() is None:  # again and again, since the job frees the room of its older checkpoints
            with suppress(OSError):
                handle.write(bytes(65536))
    code, _, err = job.finish()
    assert code == 2
    assert f"{folder}" in err
    assert "the disk is full" in err
    assert len(err.splitlines()) == 1
    filler.unlink()
    code, out, err = Job(folder, "--resume", megabytes=1).finish()
    assert code == 0, err
    assert int(out.split()[1]) >= 4
    assert results(folder) == results(tmp_path / "straight")
