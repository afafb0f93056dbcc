"""A run that goes on with another number of processes takes the steps that those before would have taken.

The tolerance is that of another order of addition in float32. What cannot be equal is named in docs/reliability.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launcher import launch

from degas.runtime.checkpoint import load_newest
from degas.runtime.run_folder import read_jsonl

JOB = Path(__file__).with_name("resumed_ranks_job.py")
TOLERANCE = {"rtol": 1e-3, "atol": 2e-5}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` and `two` ran through on as many ranks; `fewer` began on two and ended on one, `more` the other way."""
    root = tmp_path_factory.mktemp("ranks")
    launch([JOB, root, "two:4", "fewer:2"], 2)
    launch([JOB, root, "one:4", "fewer:4", "more:2"], 1)
    launch([JOB, root, "more:4"], 2)
    return root


def losses(folder: Path) -> list[dict[str, Any]]:
    records = read_jsonl(folder / "metrics.jsonl")
    return [{name: value for name, value in record.items() if isinstance(value, float)} for record in records]


def same_tensors(mine: Any, other: Any, place: str = "") -> None:
    if isinstance(other, dict):
        assert mine.keys() == other.keys(), place
        for name, value in other.items():
            same_tensors(mine[name], value, f"{place}.{name}")
    elif isinstance(other, torch.Tensor) and other.is_floating_point():
        torch.testing.assert_close(mine, other, **TOLERANCE, msg=place)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("resumed", "straight"), [("fewer", "two"), ("more", "one")])
@pytest.mark.parametrize("kind", ["fit", "adversarial_steps"])
def test_steps_are_those_of_the_processes_that_began(root: Path, resumed: str, straight: str, kind: str) -> None:
    mine, other = (losses(root / name / kind) for name in (resumed, straight))
    assert len(mine) == 4
    for record, wanted in zip(mine, other, strict=True):
        assert record == pytest.approx(wanted, rel=1e-4)
    states = [load_newest(root / name / kind / "checkpoints", pytest.fail) for name in (resumed, straight)]
    assert [state[0] for state in states if state is not None] == [4, 4]
    same_tensors(states[0][1], states[1][1])  # type: ignore[index]


@pytest.mark.slow
def test_a_training_on_fewer_processes_keeps_the_parts_of_its_batch_norms(root: Path) -> None:
    mine, other = (losses(root / name / "training") for name in ("fewer", "two"))
    assert len(mine) == 4
    for record, wanted in zip(mine, other, strict=True):
        assert record == pytest.approx(wanted, rel=1e-3, abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("resumed", "straight", "ranks"), [("fewer", "two", 2), ("more", "one", 1)])
def test_a_search_has_the_same_steps_and_about_the_same_losses(
    root: Path, resumed: str, straight: str, ranks: int
) -> None:
    """Its batch norms see other parts of each batch, so that losses are not equal."""
    mine, other = (losses(root / name / "search") for name in (resumed, straight))
    assert len(mine) == len(other)
    for record, wanted in zip(mine, other, strict=True):
        assert record["loss"] == pytest.approx(wanted["loss"], rel=0.05)
        assert record["weight_lr"] == wanted["weight_lr"]
    config = json.loads((root / resumed / "search" / "config.json").read_bytes())
    assert config.get("num_ranks", 1) == ranks


@pytest.mark.slow
def test_processes_that_cannot_share_a_batch_are_refused(root: Path) -> None:
    with pytest.raises(AssertionError, match="cannot resume with 3 processes: the run's batches have 8 images"):
        launch([JOB, root, "two:5"], 3)


@pytest.mark.slow
def test_the_commands_go_on_with_fewer_processes(tmp_path: Path) -> None:
    """Two processes stop a training half way; one ends it, and the folder says with how many it began."""
    command = ["-m", "degas", "train", "--architecture", "resnet", "--data", "digits", "--data.max-images", "40"]
    command += ["--data.image-size", "8", "--gan.width", "4", "--gan.generator-width", "4", "--gan.batch-images", "4"]
    command += ["--gan.objective", "sn-gan", "--gan.num-steps", "4", "--gan.log-steps", "1", "--device", "cpu"]
    command += ["--out", str(tmp_path), "--quiet", "--resume"]
    launch([*command, "--gan.stop-step", "2"], 2)
    launch(command, 1)
    assert [record["step"] for record in read_jsonl(tmp_path / "train" / "metrics.jsonl")] == [1, 2, 3, 4]
    assert json.loads((tmp_path / "train" / "config.json").read_bytes())["num_ranks"] == 2
    assert json.loads((tmp_path / "train" / "environment.json").read_bytes())["num_ranks"] == 1
    assert (tmp_path / "train" / "generator" / "model.safetensors").is_file()
