"""Adversarial steps on a pretended GPU: all of a step's tensors are there, and the host never waits for it."""

from __future__ import annotations

import pytest
from pretend_gpu import META, Waits, pretend
from toy_gan import toy_generator, toy_images, toy_settings

from degas.gan.objectives import OBJECTIVES
from degas.gan.state import Steps


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_no_adversarial_step_waits(objective: str, supervised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = toy_settings(objective=objective, supervised=supervised, augment="diffaugment", horizontal_flip=True)
    engine = pretend(monkeypatch)
    steps = Steps(toy_generator(2 if supervised else 0), toy_images(), settings, seed=0, engine=engine)
    steps.both(0)
    with Waits() as waits:
        critic, generator = steps.both(1)
    assert waits.found == []
    assert {value.device for value in [*critic.values(), *generator.values()]} == {META}
