"""Adversarial steps on a GPU: the CPU's numbers where no step draws on its device; graphs like ordinary steps."""

from __future__ import annotations

from typing import Any

import pytest
from graph_twins import TRAININGS, moved_alike, parameters
from torch import Tensor
from toy_gan import toy_generator, toy_images, toy_settings

from degas.gan.objectives import OBJECTIVES
from degas.gan.state import Steps
from degas.runtime.arithmetic import exact_float32
from degas.runtime.distributed import Engine

pytestmark = pytest.mark.gpu
NUM_STEPS = 12  # rates fall to 0 over them
DRAW = ("ct-gan", "wgan-gp")  # dropout, or the penalty's interpolates, from the device's own random state


def fresh(device: str, **changes: Any) -> Steps:
    settings = toy_settings(**{"num_steps": NUM_STEPS, **changes})
    generator = toy_generator(2 if settings.supervised else 0)
    return Steps(generator, toy_images(), settings, seed=1, engine=Engine(settings.precision, device))


def taken(steps: Steps, num_steps: int) -> list[float]:
    with exact_float32():
        both = [steps.both(step) for step in range(num_steps)]
    return [float(value) for pair in both for values in pair for value in values.values()]


def weights(steps: Steps) -> dict[str, Tensor]:
    assert steps.average is not None
    return parameters(generator=steps.generator, critic=steps.critic, average=steps.average.module)


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name not in DRAW])
def test_a_gpu_computes_what_the_cpu_does(objective: str) -> None:
    """Weights that differ by 1e-6, as two devices' sums do, move these values by up to 0.7 % in 6 steps."""
    values = {device: taken(fresh(device, objective=objective), 6) for device in ("cpu", "cuda")}
    assert values["cuda"] == pytest.approx(values["cpu"], rel=2e-2, abs=1e-4)


@pytest.mark.parametrize("changes", TRAININGS, ids=lambda changes: "-".join(str(value) for value in changes.values()))
def test_graphs_move_as_ordinary_steps_do(changes: dict[str, Any]) -> None:
    """Random numbers and falling rates included: a replay draws what the step would have drawn."""
    plain, graph = (fresh("cuda", cuda_graphs=on, **changes) for on in (False, True))
    start = weights(plain)
    for steps in (plain, graph):
        taken(steps, NUM_STEPS)
    assert moved_alike(start, weights(plain), weights(graph))
