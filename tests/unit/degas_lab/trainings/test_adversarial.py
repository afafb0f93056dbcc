"""A trial trains exactly as the trainer does, for so many seconds or steps, and a diverged one is a result."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_gan import toy_generator, toy_images, toy_settings, toy_training

from degas.cli.main import main
from degas.errors import UserError
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import GanSettings
from degas_lab.contest.plan import Plan
from degas_lab.contest.trainer import Trainer
from degas_lab.trainings.adversarial import train_and_score
from degas_lab.trainings.stopwatch import Stopwatch


def trial(score: Any, **options: Any) -> dict[str, Any]:
    changes = options.pop("changes", {})
    settings = toy_settings(objective="sn-gan", num_steps=4, **changes)
    engine = Engine(device="cpu")
    given = {"marks": (2, 4), "unit": "steps", "seed": 1, "engine": engine, **options}
    return train_and_score(toy_generator(), toy_images(), settings, score, **given)


def test_the_scored_generators_are_the_trainers(tmp_path: Path) -> None:
    """Scoring on the way changes nothing: the last one scored has the bits of an ordinary training."""
    seen: list[Generator] = []

    def score(generator: Generator) -> dict[str, float]:
        seen.append(generator)
        torch.rand(7)  # whatever scoring draws
        return {"fid": 3.0}

    record = trial(score)
    ordinary = toy_training(tmp_path, objective="sn-gan", num_steps=4)
    assert torch.equal(seen[-1].sample(5), ordinary.sample(5))
    assert not torch.equal(seen[0].sample(5), seen[1].sample(5))
    assert [(mark["mark"], mark["steps"], mark["fid"]) for mark in record["history"]] == [(2, 2, 3.0), (4, 4, 3.0)]
    assert record["steps"] == 4
    assert record["num_parameters"] == toy_generator().num_parameters
    assert "failed" not in record


def test_seconds_are_those_of_training_only() -> None:
    """A step takes one second of a clock that scoring moves by a hundred; a mark is passed by the step that ends it."""
    now = [0.0]
    step = Steps.both

    def slow_step(self: Steps, number: int) -> Any:
        now[0] += 1.0
        return step(self, number)

    def score(generator: Generator) -> dict[str, float]:
        now[0] += 100.0
        return {"fid": 1.0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Steps, "both", slow_step)
        watch = Stopwatch(torch.device("cpu"), wall=lambda: now[0], processor=lambda: now[0] / 2)
        record = trial(score, marks=(1.5, 3.0), unit="seconds", watch=watch)
        watch = Stopwatch(torch.device("cpu"), wall=lambda: now[0], processor=lambda: now[0] / 2)
        by_processor = trial(score, marks=(1.5,), unit="seconds", watch=watch, clock="processor")
    assert [mark["steps"] for mark in record["history"]] == [2, 3]
    assert [mark["seconds"] for mark in record["history"]] == [2.0, 3.0]
    assert (record["seconds"], record["processor_seconds"]) == (3.0, 1.5)
    assert by_processor["steps"] == 3


def test_a_training_that_diverges_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Steps.both

    def diverging(self: Steps, number: int) -> Any:
        if number == 3:
            raise NonFiniteError("step 3: critic loss is nan")
        return step(self, number)

    monkeypatch.setattr(Steps, "both", diverging)
    record = trial(lambda generator: {"fid": 1.0})
    assert record["failed"] == "step 3: critic loss is nan"
    assert (record["steps"], len(record["history"])) == (3, 1)


def test_a_score_that_is_no_number_is_a_failure() -> None:
    record = trial(lambda generator: {"fid": float("nan")})
    assert record["failed"] == "fid is nan"
    assert record["history"] == []


OWN = dict.fromkeys(("augmentation", "label-agreement"), ("--architecture", "up-normal-n2"))


@pytest.mark.parametrize("name", ["augmentation", "critic-contest", "hand-made", "label-agreement", "rank-correlation"])
def test_a_measurement_refuses_growth_before_its_folder_holds_settings(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the folder would refuse the corrected command, as one of other settings."""
    words = ["experiment", name, "--data", "digits", *OWN.get(name, ())]
    assert main([*words, "--gan.grow", "fade", "--out", str(tmp_path / "out")]) == 2
    assert "--gan.grow: a measurement scores on the way" in capsys.readouterr().err
    assert not list(tmp_path.rglob("settings.json"))


def test_a_contest_refuses_growth_before_its_folder_holds_settings(tmp_path: Path) -> None:
    nothing: Any = None
    plan = Plan(gan=GanSettings(grow="fade"))
    with pytest.raises(UserError, match=r"--gan\.grow: a measurement scores on the way"):
        Trainer(nothing, plan, tmp_path / "trials", nothing, shared={}, engine=nothing, say=print)
    assert not list(tmp_path.iterdir())


def test_a_training_that_grows_is_refused() -> None:
    with pytest.raises(UserError, match=r"--gan\.grow: a measurement scores on the way"):
        trial(lambda generator: {"fid": 1.0}, changes={"grow": "fade"})


def test_a_longer_training_goes_on_from_a_shorter_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal bits, scores of the first mark kept, and only the missing steps taken."""
    seen: list[Generator] = []

    def score(generator: Generator) -> dict[str, float]:
        seen.append(generator)
        torch.rand(7)
        return {"fid": float(len(seen))}

    trial(score, changes={"ema_half_life_images": 8})
    short = trial(score, marks=(2,), checkpoint=tmp_path / "c", changes={"ema_half_life_images": 8})
    taken = []
    step = Steps.both
    monkeypatch.setattr(Steps, "both", lambda self, number: taken.append(number) or step(self, number))
    record = trial(score, marks=(2, 4), checkpoint=tmp_path / "c", changes={"ema_half_life_images": 8})
    assert taken == [2, 3]
    assert record["history"][0] == short["history"][0]
    assert record["seconds"] > short["seconds"]
    assert [mark["steps"] for mark in record["history"]] == [2, 4]
    for unbroken, resumed in zip(seen[:2], seen[2:], strict=True):
        assert torch.equal(unbroken.sample(5), resumed.sample(5))


def test_a_training_killed_between_marks_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Steps.both

    def killed(self: Steps, number: int) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, number)

    seen: list[Generator] = []
    score = lambda generator: seen.append(generator) or {"fid": 1.0}  # noqa: E731
    options = {"marks": (4,), "checkpoint": tmp_path / "c", "changes": {"checkpoint_steps": 2}}
    with monkeypatch.context() as patch:
        patch.setattr(Steps, "both", killed)
        with pytest.raises(KeyboardInterrupt):
            trial(score, **options)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["step-00000002"]
    shutil.copytree(tmp_path / "c", tmp_path / "other")
    trial(score, **options)
    trial(score, marks=(4,))
    assert torch.equal(seen[0].sample(5), seen[1].sample(5))
    other = trial(score, **{**options, "marks": (1, 4), "checkpoint": tmp_path / "other"})
    assert [mark["steps"] for mark in other["history"]] == [1, 4]  # other marks: from the start
