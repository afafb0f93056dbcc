from __future__ import annotations

import pytest
import torch
from torch import nn

from degas.data.pixels import to_symmetric
from degas.gan.settings import resolve_gan
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SearchSettings, SpaceSettings
from degas_lab.speed.adversarial_search import AdversarialSearch
from degas_lab.speed.benchmark import Sizes

SIZES = Sizes(width=4, batch_images=4, image_size=8, noise_size=8)


def make_step(objective: str, **changed: object) -> AdversarialSearch:
    images = SIZES.images(0)
    settings = SearchSettings(width=4, noise_size=8, batch_images=4, latent_init="random")
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    gan = resolve_gan(GanSettings(objective=objective, width=8, batch_images=4, **changed))  # type: ignore[arg-type]
    return AdversarialSearch(search, gan, to_symmetric(torch.from_numpy(images.images)), seed=0)


def values_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize("objective", ["sn-gan", "ct-gan", "r3gan", "mmd"])
def test_a_step_moves_critic_weights_and_alphas(objective: str) -> None:
    torch.manual_seed(0)
    step = make_step(objective)
    before = [values_of(step.critic), values_of(step.supernet)]
    step.step()
    for module, old in zip((step.critic, step.supernet), before, strict=True):
        still = [name for name, value in module.named_parameters() if torch.equal(value, old[name])]
        assert not [name for name in still if "bias" not in name]


def test_the_critics_turn_moves_nothing_of_the_supernet() -> None:
    step = make_step("sn-gan")
    parameters = values_of(step.supernet)
    buffers = {name: value.clone() for name, value in step.supernet.named_buffers()}
    step.critic_step()
    assert all(torch.equal(value, parameters[name]) for name, value in step.supernet.named_parameters())
    assert all(torch.equal(value, buffers[name]) for name, value in step.supernet.named_buffers())


def test_so_many_critic_steps_are_taken_as_set() -> None:
    step = make_step("wgan-gp", critic_steps=3)
    turns: list[int] = []
    step.critic_step = lambda: turns.append(1)  # type: ignore[method-assign]
    step.step()
    assert len(turns) == 3
