"""Whole sweeps as processes: killed at random moments and continued, against one that nobody disturbed.

The trials are stubs that count steps in a file; two real trainings go through the command itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from degas.runtime.run_folder import read_jsonl

REFERENCE = Path(__file__).parents[1] / "reference"
pytestmark = pytest.mark.timeout(1800)
kills = pytest.mark.parametrize(
    "num_kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.nightly)]
)
FILE = """
[options]
pause = 0.02

[grid]
width = [1, 2, 3]
rate = [0.1, 0.2]
seed = [0, 1]

[halving]
marks = [5, 10, 15]
keep = 0.5
"""


def start(file: Path, folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(REFERENCE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(REFERENCE / "stub_sweep.py"), str(file), str(folder)]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def finish(file: Path, folder: Path) -> float:
    begun = time.monotonic()
    driver = start(file, folder)
    _, err = driver.communicate(timeout=600)
    assert driver.returncode == 0, err
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float]:
    """File, folder and seconds of a sweep that ran straight through."""
    root = tmp_path_factory.mktemp("sweep")
    file = root / "sweep.toml"
    file.write_text(FILE)
    return file, root / "straight", finish(file, root / "straight")


@kills
def test_a_driver_killed_at_any_moment_ends_with_the_same_table(
    undisturbed: tuple[Path, Path, float], tmp_path: Path, num_kills: int
) -> None:
    file, straight, seconds = undisturbed
    rng, killed = random.Random(num_kills), 0
    for _ in range(num_kills):
        driver = start(file, tmp_path / "sweep")
        time.sleep(rng.uniform(0.2, max(1.0, seconds / 3)))
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        killed += driver.returncode == -signal.SIGKILL
    assert killed >= 1
    finish(file, tmp_path / "sweep")
    for name in ("table.json", "halving.json"):
        assert (tmp_path / "sweep" / name).read_bytes() == (straight / name).read_bytes()


@pytest.mark.slow
def test_killed_trials_are_resumed_and_the_table_is_the_same(
    undisturbed: tuple[Path, Path, float], tmp_path: Path
) -> None:
    file, straight, _ = undisturbed
    driver = start(file, tmp_path / "sweep")
    killed: set[str] = set()
    while driver.poll() is None:
        for name, process in trials(tmp_path / "sweep"):
            if name not in killed and len(killed) < 4:  # each once: three attempts would be a failure
                with suppress(ProcessLookupError):  # it has ended since
                    os.kill(process, signal.SIGKILL)
                    killed.add(name)
        time.sleep(0.05)
    assert driver.returncode == 0, driver.communicate()[1]
    driver.communicate()
    assert len(killed) == 4
    assert (tmp_path / "sweep/table.json").read_bytes() == (straight / "table.json").read_bytes()


def trials(folder: Path) -> list[tuple[str, int]]:
    """Name and process of every trial that runs: those that hold its lock's file open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            held = [os.readlink(link) for link in (entry / "fd").iterdir()]
        except OSError:
            continue
        found += [(Path(path).name, int(entry.name)) for path in held if path.startswith(str(folder / "locks"))]
    return found


@pytest.mark.slow
def test_a_second_driver_is_refused_and_the_first_stops_with_all_saved(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text("[options]\nsteps = 100000\npause = 0.05\n[grid]\nseed = [0, 1, 2]\n")
    first = start(file, tmp_path / "sweep")
    while not list((tmp_path / "sweep/runs").glob("*/step")):
        time.sleep(0.05)
    second = start(file, tmp_path / "sweep")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"process {first.pid} on" in err
    assert "uses it; wait until that ends, or give another --out" in err
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 143, err
    assert trials(tmp_path / "sweep") == []


TRAINING = """
command = ["train", "evaluate"]

[options]
data = "images"
"data.image-size" = 8
architecture = "resnet"
gan.width = 4
gan.batch-images = 4
gan.sample-steps = 1000
gan.log-steps = 1
evaluate.extractor = "classifier"
evaluate.classifier = "classifier"
evaluate.num-samples = 16

[grid]
gan.objective = ["mmd", "r3gan"]

[[list]]
seed = 0

[halving]
marks = [3, 6]
keep = 1
"""


@pytest.mark.slow
def test_a_sweep_of_trainings_by_the_command_equals_one_by_hand(tmp_path: Path) -> None:
    """Real trials: stopped at marks and continued, they end with the bytes of a training that ran through."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for k in range(12):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / "images" / name / f"{k}.png")
    tracked = importlib.util.find_spec("tensorboard") is not None  # an extra
    option = 'tracker = "tensorboard"\n[grid]' if tracked else "[grid]"
    (tmp_path / "sweep.toml").write_text(TRAINING.replace("[grid]", option))
    degas(tmp_path, "features train --data images --data.image-size 8 --num-epochs 1 --out classifier")
    said = degas(tmp_path, "sweep sweep.toml --out sweep --processes 1 --quiet")
    rows = json.loads((tmp_path / "sweep/table.json").read_bytes())
    assert sorted(row["status"] for row in rows) == ["done", "dropped"]
    best = min(rows, key=lambda row: row["status"] != "done")
    assert best["name"] in said
    assert "report sweep/report.html" in said
    page = (tmp_path / "sweep/report.html").read_text(encoding="utf-8")
    assert all(row["name"] in page for row in rows)
    objective = best["settings"]["gan.objective"]
    degas(
        tmp_path,
        "train --data images --data.image-size 8 --architecture resnet --gan.width 4 --gan.batch-images 4 "
        f"--gan.num-steps 6 --gan.objective {objective} --seed 0 --out straight --quiet",
    )
    weights = "train/generator/model.safetensors"
    made = tmp_path / "sweep/runs" / best["name"]
    assert (made / weights).read_bytes() == (tmp_path / "straight" / weights).read_bytes()
    assert degas(tmp_path, "sweep sweep.toml --out sweep --quiet") == said  # nothing is run again
    if tracked:
        drawn_by_tensorboard(tmp_path / "sweep" / "runs", [row["name"] for row in rows])


def drawn_by_tensorboard(runs: Path, names: list[str]) -> None:
    """`tensorboard --logdir runs` shows every trial, and one line for a trial that was stopped and continued."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name in names:
        metrics = read_jsonl(runs / name / "train" / "metrics.jsonl")
        events = EventAccumulator(str(runs / name / "train" / "tensorboard"), size_guidance={"scalars": 0}).Reload()
        drawn = [(event.step, event.value) for event in events.Scalars("critic_loss")]
        assert drawn == [(record["step"], pytest.approx(record["critic_loss"])) for record in metrics]


def degas(folder: Path, words: str) -> str:
    command = [sys.executable, "-m", "degas", *words.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout
