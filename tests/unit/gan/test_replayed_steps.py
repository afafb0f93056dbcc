"""The adversarial steps as a CUDA graph would take them: recorded once, with the second backward pass, and replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from graph_twins import TRAININGS, moved_alike, parameters
from recorder import ListRecorder, NeverRecords
from toy_gan import toy_images, toy_settings, toy_steps, toy_training

from degas.errors import UserError
from degas.gan.checks import check_training
from degas.gan.state import Steps
from degas.runtime.finite import NonFiniteError
from degas.runtime.replay import WARM_UP_CALLS

NUM_STEPS = WARM_UP_CALLS + 4


def replaying(recorder: Any, **changes: Any) -> Steps:
    """Steps recorded by `recorder`, as those of settings that ask for graphs are by `CudaGraphs`."""
    steps = toy_steps(**changes)
    steps.recorder = recorder
    return steps


def taken(steps: Steps) -> list[dict[str, float]]:
    both = [steps.both(step) for step in range(NUM_STEPS)]
    return [{name: float(value) for name, value in values.items()} for pair in both for values in pair]


@pytest.mark.parametrize("changes", TRAININGS, ids=lambda changes: "-".join(str(value) for value in changes.values()))
def test_replayed_steps_are_the_same_steps(changes: dict[str, Any]) -> None:
    """Bit for bit the steps of the same float32 rates, and the plain ones but for the rounding of those."""
    changes = {"num_steps": NUM_STEPS, **changes}
    recorder = ListRecorder()
    replayed, same, plain = replaying(recorder, **changes), replaying(NeverRecords(), **changes), toy_steps(**changes)
    values = taken(replayed)
    assert recorder.num_recorded == 2  # the critic's step and the generator's
    assert values == taken(same)
    for name, value in replayed.state_dict()["generator"].items():
        assert torch.equal(value, same.state_dict()["generator"][name]), name
    assert replayed.average is not None
    assert same.average is not None
    for mine, its in zip(replayed.average.module.parameters(), same.average.module.parameters(), strict=True):
        assert torch.equal(mine, its)
    for mine_values, its_values in zip(values, taken(plain), strict=True):
        rel = 5e-2 if plain.settings.precision == "bfloat16" else 1e-3
        assert mine_values == pytest.approx(its_values, rel=rel, abs=1e-4)


@pytest.mark.parametrize("frozen", ["_rate", "_noise"])
def test_the_twins_of_a_gpu_would_notice_an_input_that_stays(frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`moved_alike`, which judges graphs on a GPU (test_steps_on_cuda.py), on an input of the recording's."""
    runs = [replaying(ListRecorder(), objective="mmd", num_steps=12) for _ in range(2)] + [
        toy_steps(objective="mmd", num_steps=12)
    ]
    start = parameters(generator=runs[0].generator)
    given = getattr(runs[0], frozen)
    monkeypatch.setattr(runs[0], frozen, lambda *places: given(*places[:-1], min(places[-1], WARM_UP_CALLS)))
    for steps in runs:
        for step in range(12):
            steps.both(step)
    stuck, sound, plain = (parameters(generator=steps.generator) for steps in runs)
    assert moved_alike(start, plain, sound)
    assert not moved_alike(start, plain, stuck)


def test_a_replay_that_diverges_is_noticed() -> None:
    steps = replaying(ListRecorder(), objective="sn-gan", num_steps=NUM_STEPS)
    for step in range(NUM_STEPS - 1):
        steps.both(step)
    with torch.no_grad():
        next(steps.critic.parameters()).fill_(torch.nan)
    with pytest.raises(NonFiniteError, match=f"step {NUM_STEPS - 1}: critic loss is nan"):
        steps.both(NUM_STEPS - 1)


def test_graphs_are_refused_without_a_gpu() -> None:
    with pytest.raises(UserError, match=r"^--gan.cuda-graphs: CUDA graphs need a GPU; leave it out$"):
        check_training(toy_settings(cuda_graphs=True), toy_images(), torch.device("cpu"))


def test_a_training_lets_go_of_its_graphs_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degas.gan.state.CudaGraphs", ListRecorder)
    made: list[Steps] = []
    monkeypatch.setattr("degas.gan.loop.Steps", lambda *given, **named: made.append(Steps(*given, **named)) or made[0])
    toy_training(tmp_path, num_steps=NUM_STEPS, cuda_graphs=True)
    assert isinstance(made[0].recorder, ListRecorder)
    assert made[0].recorder.num_recorded == 2
    assert made[0].replayed == {}
