"""Adversarial steps on a GPU: the CPU's numbers where no step draws on its device; graphs like ordinary steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_gan import toy_generator, toy_images, toy_settings

from degas.gan.steps import Steps
from degas.presets import OBJECTIVES
from degas.runtime.distributed import Engine
from degas.runtime.replay import WARM_UP_CALLS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
NUM_STEPS = WARM_UP_CALLS + 3
# Weights that differ by 1e-6, as two devices' sums do, move these values by up to 0.7 % (`mmd`, on the CPU).
NEAR = {"rel": 2e-2, "abs": 1e-4}
DRAW = ("ct-gan", "wgan-gp")  # dropout, or the penalty's interpolates, from the device's own random state


def values_of(objective: str, device: str, **changes: Any) -> list[float]:
    settings = toy_settings(objective=objective, num_steps=NUM_STEPS, **changes)
    steps = Steps(toy_generator(), toy_images(), settings, seed=1, engine=Engine(device=device))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        both = [steps.both(step) for step in range(NUM_STEPS)]
    return [float(value) for pair in both for values in pair for value in values.values()]


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name not in DRAW])
def test_a_gpu_computes_what_the_cpu_does(objective: str) -> None:
    assert values_of(objective, "cuda") == pytest.approx(values_of(objective, "cpu"), **NEAR)


@pytest.mark.parametrize("augment", ["none", "diffaugment"])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_graphs_compute_what_ordinary_steps_do(objective: str, augment: str) -> None:
    """Random numbers included: a replay draws what the step would have drawn."""
    plain, graphs = (values_of(objective, "cuda", augment=augment, cuda_graphs=on) for on in (False, True))
    assert graphs == pytest.approx(plain, **NEAR)
