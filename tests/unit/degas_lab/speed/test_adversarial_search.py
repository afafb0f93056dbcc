from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import degas
from degas.gan.settings import resolve_gan
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SearchSettings, SpaceSettings
from degas_lab.speed.adversarial_search import AdversarialSignal
from degas_lab.speed.benchmark import Sizes

SIZES = Sizes(width=4, batch_images=4, image_size=8, noise_size=8)
SMALL = {"width": 4, "noise_size": 8, "batch_images": 4, "schedule": "alternate"}


def make_search(objective: str, **changed: object) -> tuple[Search, AdversarialSignal]:
    gan = resolve_gan(GanSettings(objective=objective, width=8, batch_images=4, **changed))  # type: ignore[arg-type]
    make_signal = partial(AdversarialSignal, gan=gan)
    options: Any = {"seed": 0, "engine": Engine(device="cpu"), "make_signal": make_signal}
    search = Search(SIZES.images(0), SearchSettings(**SMALL), SpaceSettings(), **options)  # type: ignore[arg-type]
    assert isinstance(search.signal, AdversarialSignal)
    return search, search.signal


def values_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize("objective", ["sn-gan", "ct-gan", "r3gan", "mmd"])
def test_a_step_moves_critic_weights_and_alphas(objective: str) -> None:
    search, signal = make_search(objective)
    before = [values_of(signal.critic), values_of(search.supernet)]
    terms = search.step(0)
    assert torch.equal(terms["loss"], terms["generator"])
    for module, old in zip((signal.critic, search.supernet), before, strict=True):
        still = [name for name, value in module.named_parameters() if torch.equal(value, old[name])]
        assert not [name for name in still if "bias" not in name]


def test_the_critics_turn_moves_nothing_of_the_supernet() -> None:
    search, signal = make_search("sn-gan")
    parameters = values_of(search.supernet)
    buffers = {name: value.clone() for name, value in search.supernet.named_buffers()}
    signal.critic_step(1.0)
    assert all(torch.equal(value, parameters[name]) for name, value in search.supernet.named_parameters())
    assert all(torch.equal(value, buffers[name]) for name, value in search.supernet.named_buffers())


def test_so_many_critic_steps_are_taken_as_set_on_fresh_images_and_noise() -> None:
    search, signal = make_search("wgan-gp", critic_steps=3)
    search.step(0)
    assert signal.num_critic_steps == 3
    assert signal.num_drawn == 3 + 1 + 1  # the critic's, that of the weights, that of α
    assert not torch.equal(signal.inputs(torch.arange(4)), signal.inputs(torch.arange(4)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_searches_prunes_and_goes_on_as_any_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; killed between checkpoints it ends with the same bytes."""
    settings = {**SMALL, "signal": "adversarial", "prune": "alone", "num_epochs": 2, "checkpoint_steps": 2}
    settings |= {"measuring_batches": 1, "log_steps": 1}
    given: dict[str, Any] = {"search": settings, "device": "cpu", "progress": False}
    images = SIZES.images(0)
    found = degas.search(images, tmp_path / "whole", **given)
    step_of = Search.step
    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", lambda self, step: step_of(self, step) if step < 3 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            degas.search(images, tmp_path / "halves", **given)
    assert degas.search(images, tmp_path / "halves", resume=True, **given) == found
    for name in ("metrics.jsonl", "alpha.jsonl", "pruning.json"):
        whole, halves = ((tmp_path / run / "search" / name).read_bytes() for run in ("whole", "halves"))
        assert whole == halves, name
    record = json.loads((tmp_path / "whole/search/metrics.jsonl").read_text().splitlines()[0])
    assert {"loss", "generator", "critic", "gradient_norm", "alpha_loss"} <= set(record)
