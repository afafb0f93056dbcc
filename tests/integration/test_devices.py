"""The CPU's numbers on another device, and work that one device began and the other goes on with.

Each test runs twice: with the CPU in the other device's place, which shows that the test itself holds and what two runs
of one device differ by (nothing), and on a GPU where there is one. Draws are made on the CPU whatever the device.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launcher import launch
from toy_gan import toy_generator, toy_images, toy_settings

from degas.data.image_set import ImageSet
from degas.evaluation.extractors.imagenet import ImagenetExtractor
from degas.evaluation.statistics import extract
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nas.decide.measuring import Measurement
from degas.nas.results.outputs import searched
from degas.nas.state import Search
from degas.runtime.arithmetic import exact_float32
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings

ROOT = Path(__file__).parents[2]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = pytest.mark.slow
# Sums in another order move a loss by 1e-6 a step, and steps carry that on; a fault moves it a thousand times as far.
CLOSE = {"rel": 2e-3, "abs": 1e-5}


@pytest.fixture(autouse=True)
def _whole_float32() -> Iterator[None]:
    with exact_float32():
        yield


def waves(num_images: int = 24, size: int = 8) -> ImageSet:
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    angles = np.arange(num_images) * 2.4
    images = [127 + 127 * np.cos(3 * (np.cos(a) * x + np.sin(a) * y) + np.arange(3)[:, None, None]) for a in angles]
    return ImageSet(np.stack(images).astype(np.uint8), None, (), "waves", "0" * 64)


def fresh_search(device: str, **changes: Any) -> Search:
    small = {"width": 4, "noise_size": 6, "num_epochs": 4, "batch_images": 8, "log_steps": 2, "plateau_share": 0.0}
    settings = SearchSettings(**{**small, **changes})
    return Search(waves(), settings, SpaceSettings(), seed=0, engine=Engine(settings.precision, device))


def search_losses(search: Search, steps: range) -> list[float]:
    return [float(value) for step in steps for value in search.step(step).values()]


def take_over(search: Search, device: str, folder: Path) -> Search:
    """The same search on `device`, from a checkpoint."""
    settings = search.settings
    with StageFolder(folder, settings={}, resume=False, kind="search") as stage:
        stage.save(4, search.state_dict())
    other = fresh_search(device, **settings.model_dump())
    with StageFolder(folder, settings={}, resume=True, kind="search") as stage:
        for number, alpha in enumerate(search.alpha_history):
            stage.append("alpha.jsonl", {"step": number, "epoch": number, **alpha})
        assert other.restore(stage) == 4
    return other


@pytest.mark.parametrize("device", DEVICES)
def test_features_are_the_cpus(device: str) -> None:
    extractor = ImagenetExtractor()
    images = torch.from_numpy(waves(20, 32).images)
    ours, theirs = (
        torch.cat([batch.features for batch in extract(extractor.to(where).eval(), [images], where)])
        for where in ("cpu", device)
    )
    assert ours.device == theirs.device == torch.device("cpu")
    assert float((ours - theirs).norm() / ours.norm()) < 1e-4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sampling_bn", ["running", "batch"])
@pytest.mark.parametrize("num_classes", [0, 2])
def test_samples_are_the_cpus(device: str, sampling_bn: Any, num_classes: int) -> None:
    torch.manual_seed(0)
    sizes = {"width": 6, "noise_size": 8, "base_size": 4, "num_stages": 2, "channels": 3}
    generator = Generator.from_baseline("resnet", **sizes, num_classes=num_classes, sampling_bn=sampling_bn)
    ours, theirs = (generator.to(where).sample(130, seed=5).int() for where in ("cpu", device))
    assert int((ours - theirs).abs().max()) <= 1  # of 255 levels, where a value lies between two
    assert float((ours != theirs).float().mean()) < 0.01


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rule", ["alone", "perturbation"])
def test_measured_pruning_is_the_cpus(device: str, rule: Any, tmp_path: Path) -> None:
    """The losses of every operation, measured on one supernet."""
    ours = fresh_search("cpu", prune=rule)
    search_losses(ours, range(4))
    theirs = take_over(ours, device, tmp_path / "run")
    found = []
    for search in (ours, theirs):
        found.append(Measurement(search.rule, searched(search, 4)).measure().losses)
    assert found[0].keys() == found[1].keys()
    for slot, losses in found[0].items():
        assert found[1][slot] == pytest.approx(losses, rel=5e-3), slot


@pytest.mark.parametrize("device", DEVICES)
def test_second_order_is_the_cpus(device: str) -> None:
    changes = {"order": "second", "schedule": "alternate", "weight_optimizer": "sgd", "weight_lr": 0.01}
    ours, theirs = (fresh_search(where, **changes) for where in ("cpu", device))
    assert search_losses(theirs, range(4)) == pytest.approx(search_losses(ours, range(4)), **CLOSE)
    for slot, alpha in ours.supernet.alpha_by_name().items():
        assert theirs.supernet.alpha_by_name()[slot] == pytest.approx(alpha, abs=2e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("back", [False, True], ids=["from the CPU", "to the CPU"])
@pytest.mark.parametrize("schedule", ["joint", "alternate"])
def test_a_search_goes_on_on_the_other_device(device: str, back: bool, schedule: Any, tmp_path: Path) -> None:
    first, second = (device, "cpu") if back else ("cpu", device)
    search = fresh_search(first, schedule=schedule)
    search_losses(search, range(4))
    other = take_over(search, second, tmp_path / "run")
    assert search_losses(other, range(4, 8)) == pytest.approx(search_losses(search, range(4, 8)), **CLOSE)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("back", [False, True], ids=["from the CPU", "to the CPU"])
@pytest.mark.parametrize("objective", ["sn-gan", "mmd", "r3gan"])
def test_a_training_goes_on_on_the_other_device(device: str, back: bool, objective: str, tmp_path: Path) -> None:
    """Objectives whose critics draw nothing on their device."""
    first, second = (device, "cpu") if back else ("cpu", device)
    settings = toy_settings(objective=objective, num_steps=8)
    one, two = (
        Steps(toy_generator(), toy_images(), settings, seed=1, engine=Engine("float32", where))
        for where in (first, second)
    )
    values(one, range(4))
    with StageFolder(tmp_path / "run", settings={}, resume=False, kind="train") as stage:
        stage.save(4, one.state_dict())
    with StageFolder(tmp_path / "run", settings={}, resume=True, kind="train") as stage:
        found = stage.restore(pytest.fail)
    assert found is not None
    two.load_state_dict(found[1])
    assert values(two, range(4, 6)) == pytest.approx(values(one, range(4, 6)), rel=2e-2, abs=1e-4)


def values(steps: Steps, numbers: range) -> list[float]:
    return [float(value) for number in numbers for part in steps.both(number) for value in part.values()]


NCCL = """
import os, torch, torch.distributed as dist
rank = int(os.environ["RANK"])
torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
dist.init_process_group("nccl")
total = torch.full((1000,), float(rank + 1), device="cuda")
dist.all_reduce(total)
assert torch.equal(total.cpu(), torch.full((1000,), sum(range(1, dist.get_world_size() + 1)) * 1.0))
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.gpu
def test_nccl_adds_up_over_all_gpus(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(NCCL)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    result = subprocess.run([*start, str(torch.cuda.device_count()), str(script)], capture_output=True, timeout=240)
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.gpu
def test_two_gpus_match_one_at_equal_global_batch(tmp_path: Path) -> None:
    """By NCCL; `test_two_ranks.py` has the same by gloo, on CPUs."""
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    job = Path(__file__).with_name("ranks_job.py")
    for name, num_ranks in (("one", 1), ("two", 2)):
        launch([job, tmp_path / name, "float32"], num_ranks)
    for stage in ("first", "second"):
        one, two = (newest_weights(tmp_path / name / stage) for name in ("one", "two"))
        assert all(torch.allclose(one[key], two[key], rtol=1e-4, atol=1e-6) for key in one)


def newest_weights(folder: Path) -> dict[str, torch.Tensor]:
    from degas.runtime.checkpoint import load_newest

    found = load_newest(folder / "checkpoints", pytest.fail)
    assert found is not None
    return {name: weight.cpu() for name, weight in found[1]["weights"].items()}


def test_every_test_that_needs_a_gpu_bears_the_mark_and_the_script_runs_the_mark() -> None:
    """A skip of its own would hide a test from `benchmarks/gpu.sh check`."""
    hidden = re.compile(r"skipif\(\s*not torch\.cuda\.is_available\(\)")
    tests = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name != Path(__file__).name]
    assert [path.name for path in tests if hidden.search(path.read_text(encoding="utf-8"))] == []
    script = (ROOT / "benchmarks" / "gpu.sh").read_text(encoding="utf-8")
    check = script[script.index("\ncheck)") : script.index(";;", script.index("\ncheck)"))]
    assert "grep -rl 'pytest.mark.gpu' tests --include='test_*.py'" in check
    assert re.search(r"pytest .*-m gpu ", check)
