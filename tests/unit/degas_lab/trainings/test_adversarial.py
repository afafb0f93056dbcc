"""A trial trains exactly as the trainer does, for so many seconds or steps, and a diverged one is a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_gan import toy_generator, toy_images, toy_settings, toy_training

from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
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
