"""A sweep on a Ray cluster of three nodes on this machine: workers, nodes and drivers are killed at random moments.

The table equals that of the local pool, to the byte.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parents[1] / "reference"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra `sweep`"),
]
kills = pytest.mark.parametrize("num_kills", [3, pytest.param(20, marks=pytest.mark.nightly)])
FILE = """
[options]
pause = 0.05

[grid]
width = [1, 2, 3]
rate = [0.1, 0.2]
seed = [0, 1]

[halving]
marks = [5, 10, 15]
keep = 0.5
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray_nodes import start_cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REFERENCE), *([before] if before else [])])  # nodes pass it on
    found = start_cluster(3, cpus=1)
    yield found
    found.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def start(file: Path, folder: Path, address: str = "") -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(REFERENCE / "stub_sweep.py"),
        str(file),
        str(folder),
        *([address] if address else []),
    ]
    path = os.pathsep.join([str(REFERENCE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def finish(driver: subprocess.Popen[str]) -> None:
    _, err = driver.communicate(timeout=900)
    assert driver.returncode == 0, err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The file, and the folder of the same sweep on the local pool."""
    root = tmp_path_factory.mktemp("local")
    (root / "sweep.toml").write_text(FILE)
    finish(start(root / "sweep.toml", root / "sweep"))
    return root / "sweep.toml", root / "sweep"


def same(folder: Path, other: Path) -> None:
    for name in ("table.json", "halving.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


class Disturbed:
    """A sweep on the cluster, and what can be done to it."""

    def __init__(self, file: Path, folder: Path, cluster: Any) -> None:
        self.file, self.folder, self.cluster = file, folder, cluster
        self.driver = start(file, folder, cluster.address)

    def kill_worker(self) -> None:
        for process in workers()[:1]:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(process, signal.SIGKILL)

    def kill_node(self) -> None:
        from ray_nodes import add_node

        nodes = [node for node in self.cluster.list_all_nodes() if not node.head]
        self.cluster.remove_node(nodes[0], allow_graceful=False)
        add_node(self.cluster, 1)

    def kill_driver(self) -> None:
        self.driver.send_signal(signal.SIGKILL)
        self.driver.communicate()
        self.driver = start(self.file, self.folder, self.cluster.address)


@kills
def test_workers_nodes_and_drivers_are_killed_and_the_table_is_the_same(
    undisturbed: tuple[Path, Path], tmp_path: Path, cluster: Any, num_kills: int
) -> None:
    file, straight = undisturbed
    sweep, rng = Disturbed(file, tmp_path / "sweep", cluster), random.Random(num_kills)
    acts: list[Callable[[], None]] = [sweep.kill_worker, sweep.kill_node, sweep.kill_driver]
    for number in range(num_kills):
        wait_for_work(sweep.driver)
        time.sleep(rng.uniform(0, 1))
        acts[number % 3]()
    finish(sweep.driver)
    same(tmp_path / "sweep", straight)


def workers() -> list[int]:
    """The processes of Ray that run a trial now."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found += [int(entry.name)] if b"ray::run_trial" in (entry / "cmdline").read_bytes() else []
        except OSError:
            continue
    return found


def wait_for_work(driver: subprocess.Popen[str]) -> None:
    """Wait until a trial runs, or the driver has ended."""
    until = time.monotonic() + 300
    while not workers() and driver.poll() is None:
        assert time.monotonic() < until, "no trial begins"
        time.sleep(0.05)


def test_nodes_that_do_not_see_the_disk_send_run_folders_back(
    undisturbed: tuple[Path, Path], tmp_path: Path, cluster: Any
) -> None:
    """As if no node did: a trial works in a temporary folder, and everything it wrote arrives."""
    from stub_sweep import SETUP

    from degas.sweep.drive import Setup, run_sweep
    from degas.sweep.on_ray import ray_pool
    from degas.sweep.sweep_file import read_sweep

    file, straight = undisturbed
    plan, folder = read_sweep(file).plan, tmp_path / "sweep"
    setup = Setup(**{**vars(SETUP), "quiet": True})
    run_sweep(plan, folder, setup, lambda: ray_pool(cluster.address, folder, 1, 0.0, carry=True))
    same(folder, straight)
    for trial in plan.trials:
        assert (folder / "runs" / trial.name / "step").read_text() == (
            straight / "runs" / trial.name / "step"
        ).read_text()
        assert "step 1" in (folder / "logs" / f"{trial.name}.txt").read_text()
    assert not list(folder.glob("locks/*"))  # nothing ran here


def test_a_measurement_on_the_cluster_gives_the_bytes_of_one_process(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each node runs the measurement's own command for one trial; a node that does not see the folder refuses it."""
    import numpy as np
    from PIL import Image

    from degas.cli.main import main
    from degas.space.architecture import Architecture
    from degas.space.graph import SearchSpace
    from degas.sweep.on_ray import ray_pool

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for k in range(8):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / "images" / f"{k}.png")
    Architecture(1, 1, 4, 2, 4, 3, SearchSpace(1).draw(0)).save(tmp_path / "found.json")
    words = ["experiment", "found-vs-random", "--data", str(tmp_path / "images"), "--device", "cpu"]
    words += ["--architecture", str(tmp_path / "found.json"), "--num-random", "1", "--num-equal", "0"]
    words += ["--num-epochs", "1", "--data.image-size", "8"]
    words += ["--search.batch-images", "4", "--out"]
    assert main([*words, str(tmp_path / "one")]) == 0
    assert main([*words, str(tmp_path / "cluster"), "--address", cluster.address]) == 0
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / n).glob("*.json")} for n in ("one", "cluster"))
    assert one == other
    assert len(one) == 5
    unseen = lambda options, folder: ray_pool(cluster.address, folder, 1, 0.0, carry=True)  # noqa: E731
    monkeypatch.setattr("degas_lab.ahead.make_pool", unseen)
    capsys.readouterr()
    assert main([*words, str(tmp_path / "unseen"), "--address", cluster.address]) == 2
    assert "trial found was not made: the node " in capsys.readouterr().err
    assert "does not see" in (tmp_path / "unseen/processes/logs/found.txt").read_text()


def test_no_cluster_is_one_plain_line(tmp_path: Path) -> None:
    from degas.errors import UserError
    from degas.sweep.on_ray import ray_pool

    with pytest.raises(UserError, match=r"--address 127.0.0.1:1: no Ray cluster answers"):
        ray_pool("127.0.0.1:1", tmp_path, 1, 0.0)


def test_trials_larger_than_every_node_are_an_error(tmp_path: Path, cluster: Any) -> None:
    from degas.errors import UserError
    from degas.sweep.on_ray import ray_pool

    with pytest.raises(UserError, match=r"no node of the cluster has 64 cores and 0 GPUs; give less"):
        ray_pool(cluster.address, tmp_path, 64, 0.0)
