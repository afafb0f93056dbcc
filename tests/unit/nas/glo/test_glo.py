from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.loader import Batch, Batches
from degas.generator.generator import Generator
from degas.nas.glo.glo import Glo, mean_image_loss
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nas.signal import SMALLER_WEIGHT, total
from degas.nets.normalisation import batch_norms
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

SPACE = SearchSpace(1)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def architecture(width: int = 8, noise_size: int = 6, channels: int = 3, seed: int = 1) -> Architecture:
    return Architecture(1, 1, 4, width, noise_size, channels, SPACE.draw(seed))


def make_glo(images: ImageSet, settings: SearchSettings, engine: Engine, total_steps: int = 40) -> Glo:
    torch.manual_seed(0)
    generator = Generator.from_architecture(architecture())
    sizes = {"noise_size": 6, "total_steps": total_steps, "seed": 0, "engine": engine}
    return Glo(generator, generator.parameters(), images, settings, **sizes)


def snapshot(glo: Glo) -> dict[str, Tensor]:
    tensors = {f"network.{k}": v for k, v in glo.network.state_dict().items()}
    return {k: v.clone() for k, v in {**tensors, **glo.table.state_dict()}.items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if name in before and not torch.equal(value, before[name])}


def test_a_step_moves_the_weights_and_exactly_the_batchs_latents(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    images, settings = make_images(), make_settings()
    glo = make_glo(images, settings, engine)
    batch = Batches(images, 8, seed=0, purpose="test")(0)
    before = snapshot(glo)
    terms = glo.step(batch, glo.rate_share(0)).named()
    after = snapshot(glo)
    moved = (after["rows"] != before["rows"]).any(1)
    assert moved.nonzero()[:, 0].tolist() == sorted(batch.index.tolist())
    assert changed(before, after) == set(after)
    assert set(terms) == {"l2", "lap1", "gradient_norm", "latent_gradient_norm"}
    assert all(not term.requires_grad for term in terms.values())


def test_a_step_is_the_plain_one(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    """Against torch's own Adam on a twin and Adam on the batch's latents, loss, clip and cosine written out."""
    images, settings = make_images(), make_settings(clip_norm=0.05)
    glo, twin = make_glo(images, settings, engine), make_glo(images, settings, engine).network
    optimizer = torch.optim.Adam(twin.parameters(), lr=1.0)
    latents = torch.nn.Parameter(glo.table.rows[:8].clone())
    latent_optimizer = torch.optim.Adam([latents], lr=1.0)
    batches = Batches(images, 8, seed=0, purpose="test", rows=torch.arange(8).numpy())
    for step in range(3):
        batch = batches(step)
        share = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / 40))
        optimizer.param_groups[0]["lr"] = settings.weight_lr * share
        latent_optimizer.param_groups[0]["lr"] = settings.latent_lr * share
        for o in (optimizer, latent_optimizer):
            o.zero_grad()
        real = batch.images.float() / 127.5 - 1
        sum(reconstruction_terms(twin(latents[batch.index]), real).values()).backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.05)
        optimizer.step()
        latent_optimizer.step()
        with torch.no_grad():
            latents.div_(latents.norm(dim=1, keepdim=True).clamp(min=1))
        assert float(glo.step(batch, glo.rate_share(step)).others["gradient_norm"]) > 0.05  # so that the clip matters
    torch.testing.assert_close(glo.table.rows[:8], latents.detach(), rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(glo.network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_latents_only_step_moves_nothing_else(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    images = make_images()
    glo = make_glo(images, make_settings(), engine)
    before = snapshot(glo)
    glo.step_latents_only(Batches(images, 8, seed=0, purpose="test")(0), 0)
    assert changed(before, snapshot(glo)) == set(glo.table.state_dict())
    assert all(weight.grad is None for weight in glo.weights)


@pytest.mark.parametrize(
    "change",
    [
        {"weight_lr": 2e-3},
        {"weight_lr_min": 0.0},
        {"weight_optimizer": "sgd"},
        {"weight_optimizer": "sgd", "weight_momentum": 0.5},
        {"weight_decay": 0.1},
        {"clip_norm": 0.01},
        {"latent_lr": 0.05},
        {"latent_init": "random"},
        {"latent_optimizer": "sgd"},
        {"loss": "l2"},
        {"loss": "lap1"},
        {"precision": "bfloat16"},
    ],
)
def test_every_switch_changes_something(
    change: dict[str, Any], make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    images = make_images(16)
    found = []
    for changes in ({k: v for k, v in change.items() if k == "weight_optimizer"} if len(change) > 1 else {}, change):
        settings = make_settings(**changes)
        glo = make_glo(images, settings, Engine(settings.precision, device="cpu"), total_steps=4)
        batches = Batches(images, 8, seed=0, purpose="test")
        for step in range(4):
            glo.step(batches(step), glo.rate_share(step))
        found.append(snapshot(glo))
    assert changed(*found)


def test_cosine_runs_from_the_rate_to_its_least(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    glo = make_glo(make_images(8), make_settings(weight_lr=1e-2, weight_lr_min=1e-3), engine, total_steps=10)
    shares = [glo.rate_share(step) for step in range(11)]
    assert (shares[0], shares[5], shares[10]) == pytest.approx((1.0, 0.55, 0.1))
    assert shares == sorted(shares, reverse=True)
    small = make_glo(make_images(8), make_settings(weight_lr=1e-5, weight_lr_min=1e-3), engine, total_steps=10)
    assert [small.rate_share(step) for step in (0, 10)] == [1.0, 1.0]  # never rises


def test_mean_image_loss_is_that_of_the_mean_image(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    images = make_images(20)
    real = torch.from_numpy(images.images).double() / 127.5 - 1
    expected = sum(reconstruction_terms(real.mean(0).expand_as(real), real).values())
    assert mean_image_loss(images, make_settings(), torch.device("cpu")) == pytest.approx(float(expected), rel=1e-5)


def test_a_grown_search_is_judged_against_the_mean_images_of_all_its_sizes(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    """Its loss counts the smaller images too, so a search that learns less than a tenth still learns."""
    images = make_images(20)
    glo = make_glo(images, make_settings(plateau_share=0.95), engine)
    glo.grow(lambda inputs: [glo.network(inputs)], [], [4, 2])
    real, wanted = torch.from_numpy(images.images).double() / 127.5 - 1, 0.0
    for size, weight in ((8, 1.0), (4, SMALLER_WEIGHT), (2, SMALLER_WEIGHT)):
        smaller = F.avg_pool2d(real, 8 // size)
        wanted += weight * float(sum(reconstruction_terms(smaller.mean(0).expand_as(smaller), smaller).values()))
    said = glo.learned_nothing(0.96 * wanted)
    assert said is not None
    assert float(said.split()[5].rstrip(";")) == pytest.approx(wanted, rel=0.01)  # pixels are rounded
    assert glo.learned_nothing(0.94 * wanted) is None


def test_mean_loss_does_not_depend_on_the_batch_size(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    images = make_images(21)
    losses = [make_glo(images, make_settings(batch_images=n), engine).mean_loss() for n in (1, 8, 21)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_recalibration_brings_evaluation_near_training(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    images = make_images(64)
    glo = make_glo(images, make_settings(batch_images=64), engine)
    glo.recalibrate()
    everything = Batch(torch.arange(64), torch.from_numpy(images.images), None)
    with torch.no_grad():
        in_training = float(total(glo.terms(glo.table.rows, everything)))
    assert glo.mean_loss() == pytest.approx(in_training, rel=1e-4)
    assert all(norm.momentum == 0.1 for norm in batch_norms(glo.network))
