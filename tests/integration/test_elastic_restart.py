"""One of two processes is killed under `torchrun --max-restarts`: both start again, and the run ends as if not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launcher import free_port
from PIL import Image

from degas.runtime.run_folder import read_jsonl

pytestmark = pytest.mark.slow
SHARED = ("--data.image-size", "8", "--device", "cpu", "--quiet", "--resume")
SEARCH = (
    *("search", "--search.width", "4", "--search.noise-size", "6", "--search.batch-images", "4", "--search.log-steps"),
    *("1", "--search.plateau-share", "0", "--search.num-epochs", "30", "--search.checkpoint-steps", "8"),
)
TRAIN = (
    *("train", "--architecture", "resnet", "--gan.width", "4", "--gan.generator-width", "4", "--gan.batch-images", "4"),
    *("--gan.objective", "sn-gan", "--gan.num-steps", "60", "--gan.log-steps", "1", "--gan.checkpoint-steps", "8"),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("elastic") / "images", np.random.default_rng(0)
    folder.mkdir()
    for k in range(16):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{k:02d}.png")
    return folder


def start(images: Path, out: Path, command: tuple[str, ...]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "2"]
    words += ["--master-addr", "127.0.0.1", "--master-port", str(free_port()), "-m", "degas", *command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    given = ["--data", str(images), "--out", str(out), *SHARED]
    return subprocess.Popen(
        [*words, *given], env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def finish(launcher: subprocess.Popen[str]) -> str:
    _, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, said[-4000:]
    return said


def process_of(launcher: subprocess.Popen[str], rank: int) -> int:
    """The process of this rank, by its environment, among the launcher's children."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    for child in children:
        if f"LOCAL_RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError(f"no rank {rank} among {children}")


def results(folder: Path) -> dict[str, bytes]:
    left_out = {"timing.jsonl", "environment.json", ".lock"}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if "checkpoints" not in path.parts}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds a rank's process in /proc")
@pytest.mark.parametrize(("command", "rank"), [(SEARCH, 1), (TRAIN, 0)], ids=["search", "train"])
def test_a_killed_process_costs_no_bit(command: tuple[str, ...], rank: int, images: Path, tmp_path: Path) -> None:
    stage = command[0]
    finish(start(images, tmp_path / "straight", command))
    launcher = start(images, tmp_path / "killed", command)
    metrics = tmp_path / "killed" / stage / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 12):
        assert launcher.poll() is None, finish(launcher)
        time.sleep(0.005)
    os.kill(process_of(launcher, rank), signal.SIGKILL)
    at = len(read_jsonl(metrics))
    said = finish(launcher)
    assert "-9" in said  # the launcher tells of the process that was killed
    straight, killed = (results(tmp_path / name / stage) for name in ("straight", "killed"))
    assert at < straight["metrics.jsonl"].count(b"\n")  # it was killed on the way
    assert killed.keys() == straight.keys()
    for name, content in straight.items():
        assert killed[name] == content, name
