"""Single steps: CT-GAN's against plainly written ones, and what a step may and may not move."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import plain_ctgan
import pytest
import torch
from plain_ctgan import Masks
from torch import Tensor, nn
from toy_gan import toy_generator, toy_images, toy_settings, toy_steps

from degas.data.pixels import dequantise
from degas.errors import UserError
from degas.gan.checks import check_images
from degas.gan.objectives import OBJECTIVES, wasserstein
from degas.gan.state import Steps
from degas.nets.critic import Critic
from degas.nets.normalisation import batch_norms
from degas.runtime.distributed import Engine

ROWS = 4  # batch_images of the toy settings


class RecordedDropout(nn.Module):
    """Dropout that keeps its masks."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.masks: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        mask = (torch.rand(x.shape, dtype=x.dtype) >= self.rate).to(x.dtype) / (1 - self.rate)
        self.masks.append(mask)
        return x * mask


@pytest.fixture
def _float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything in float64, dequantised reals included, so that 1e-6 means something."""
    monkeypatch.setattr("degas.gan.state.dequantise", lambda images, random: dequantise(images, random).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def double_steps(**changes: Any) -> Steps:
    """Toy steps whose networks are float64; a generator is made and tried in float32 whatever the default type is."""
    torch.set_default_dtype(torch.float32)
    steps = toy_steps(**changes)
    torch.set_default_dtype(torch.float64)
    steps.generator.double()
    steps.critic.double()
    if steps.average is not None:
        steps.average.module.double()
    return steps


def recorded(steps: Steps) -> tuple[list[RecordedDropout], list[tuple[Tensor, Tensor | None, Tensor]], list[Tensor]]:
    """Record dropout masks, generator calls (noise, labels, images) and critic inputs."""
    dropouts = [RecordedDropout(rate) for rate in (0.2, 0.5, 0.5)]
    steps.critic.dropouts = nn.ModuleList(dropouts)
    made: list[tuple[Tensor, Tensor | None, Tensor]] = []
    steps.generator.register_forward_hook(lambda _m, inputs, output: made.append((*inputs, output.detach())))
    seen: list[Tensor] = []
    steps.critic.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].detach()))
    return dropouts, made, seen


def masks_of(dropouts: list[RecordedDropout], call: int, start: int, stop: int) -> Masks:
    return Masks(*(dropout.masks[call][start:stop] for dropout in dropouts))


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def assert_gradients(module: nn.Module, expected: dict[str, Tensor]) -> None:
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.allclose(parameter.grad, expected[name], rtol=1e-6, atol=1e-9), name


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("supervised", [False, True])
def test_ct_gan_critic_step_equals_the_plain_one(supervised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = double_steps(objective="ct-gan", supervised=supervised)
    dropouts, made, seen = recorded(steps)
    weights, generator_weights = copied(steps.critic), copied(steps.generator)
    shares = torch.rand(ROWS)
    monkeypatch.setattr(wasserstein, "draw_shares", lambda _images: shares)

    values = steps.critic_step(0, 0)

    noise, labels, _ = made[0]
    reals = seen[0][:ROWS]
    fakes = plain_ctgan.generator(generator_weights, noise, labels, num_blocks=1, base_size=4)
    masks = {
        "first": masks_of(dropouts, 0, 0, ROWS),
        "second": masks_of(dropouts, 0, ROWS, 2 * ROWS),
        "fake": masks_of(dropouts, 0, 2 * ROWS, 3 * ROWS),
        "penalty": masks_of(dropouts, 1, 0, ROWS),
    }
    loss, gradients = plain_ctgan.critic_step(weights, reals, fakes, shares, masks, labels)
    assert float(values["loss"]) == pytest.approx(loss, rel=1e-6)
    assert_gradients(steps.critic, gradients)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("supervised", [False, True])
def test_ct_gan_generator_step_equals_the_plain_one(supervised: bool) -> None:
    steps = double_steps(objective="ct-gan", supervised=supervised)
    dropouts, made, _ = recorded(steps)
    critic_weights, generator_weights = copied(steps.critic), copied(steps.generator)

    values = steps.generator_step(0)

    noise, labels, _ = made[0]
    masks = masks_of(dropouts, 0, 0, 2 * ROWS)
    loss, gradients = plain_ctgan.generator_step(critic_weights, generator_weights, noise, masks, labels, 1, 4)
    assert float(values["loss"]) == pytest.approx(loss, rel=1e-6)
    assert_gradients(steps.generator, gradients)


def test_ct_gan_sees_reals_twice_and_fakes_in_one_call() -> None:
    steps = toy_steps(objective="ct-gan")
    _, _, seen = recorded(steps)
    steps.critic_step(0, 0)
    assert [len(x) for x in seen] == [3 * ROWS, ROWS]  # then the penalty's interpolates
    assert torch.equal(seen[0][:ROWS], seen[0][ROWS : 2 * ROWS])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_critic_step_moves_the_critic_alone(objective: str) -> None:
    steps = toy_steps(objective=objective)
    generator = {name: value.clone() for name, value in steps.generator.state_dict().items()}
    critic = copied(steps.critic)
    steps.critic_step(0, 0)
    for name, value in steps.generator.state_dict().items():
        assert torch.equal(value, generator[name]), name  # batch-norm buffers included
    assert all(parameter.grad is None for parameter in steps.generator.parameters())
    assert any(not torch.equal(value, critic[name]) for name, value in copied(steps.critic).items())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_generator_step_moves_the_generator_alone(objective: str) -> None:
    steps = toy_steps(objective=objective)
    critic, generator = copied(steps.critic), copied(steps.generator)
    buffers = [norm.running_mean.clone() for norm in batch_norms(steps.generator)]
    steps.generator_step(0)
    assert all(torch.equal(value, critic[name]) for name, value in copied(steps.critic).items())
    assert all(parameter.grad is None for parameter in steps.critic.parameters())
    assert all(parameter.requires_grad for parameter in steps.critic.parameters())
    assert any(not torch.equal(value, generator[name]) for name, value in copied(steps.generator).items())
    moved = [norm.running_mean for norm in batch_norms(steps.generator)]
    assert all(not torch.equal(a, b) for a, b in zip(buffers, moved, strict=True))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_is_a_function_of_seed_and_step(objective: str) -> None:
    """Whatever the global random state holds, and a different seed or step draws differently."""
    losses = []
    for seed, step, noise_before in ((1, 0, 0), (1, 0, 7), (2, 0, 0), (1, 1, 0)):
        steps = toy_steps(seed=1, objective=objective)
        steps.seed = seed
        torch.manual_seed(noise_before)
        losses.append((float(steps.critic_step(step, 0)["loss"]), float(steps.generator_step(step)["loss"])))
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[2][0]
    assert losses[0][0] != losses[3][0]
    assert losses[0][1] != losses[2][1]
    assert losses[0][1] != losses[3][1]


def test_turns_of_a_round_see_other_batches() -> None:
    steps = toy_steps(objective="wgan-gp")
    _, made, seen = recorded(steps)
    steps.critic_step(0, 0)
    steps.critic_step(0, 1)
    assert not torch.equal(seen[0][:ROWS], seen[2][:ROWS])
    assert not torch.equal(made[0][0], made[1][0])


def test_labels_of_fakes() -> None:
    """A critic step's fakes take the reals' labels; a generator step's are uniform."""
    steps = toy_steps(objective="sn-gan", supervised=True, batch_images=12)
    _, made, seen = recorded(steps)
    steps.critic_step(0, 0)
    bright = (seen[0][:12].mean((1, 2, 3)) > 0).long()
    assert torch.equal(made[0][1], bright)
    steps.generator_step(0)
    counts = torch.bincount(made[1][1], minlength=2)
    assert int(counts.sum()) == 24
    assert counts.min() >= 4
    assert not torch.equal(made[1][1][:12], bright)


def test_fakes_that_are_compared_with_reals_have_their_labels() -> None:
    """Scored under their labels: a class of fakes against the same class of reals. Otherwise they are uniform."""
    for class_head, same in (("projection", True), ("classifier", False)):
        steps = toy_steps(objective="mmd", supervised=True, class_head=class_head, generator_batch_images=12)
        made, given = [], []
        steps.plain_generator.register_forward_hook(lambda _module, inputs, _output, made=made: made.append(inputs[1]))
        steps.critic.register_forward_hook(lambda _module, inputs, _output, given=given: given.append(inputs))
        steps.generator_step(0)
        assert len(given) == 2  # fakes, then reals
        bright = (given[1][0].mean((1, 2, 3)) > 0).long()
        assert torch.equal(made[0], bright) == same
        assert all(len(inputs) == (2 if same else 1) for inputs in given)
        if same:
            assert all(torch.equal(labels, bright) for _, labels in given)


def test_linear_decay() -> None:
    steps = toy_steps(objective="sn-gan-ttur", num_steps=4)
    rates = []
    for step in range(4):
        steps.critic_step(step, 0)
        steps.generator_step(step)
        rates.append((steps.critic_optimizer.param_groups[0]["lr"], steps.generator_optimizer.param_groups[0]["lr"]))
    assert [round(critic / 4e-4, 9) for critic, _ in rates] == [1.0, 0.75, 0.5, 0.25]
    assert [round(generator / 2e-4, 9) for _, generator in rates] == [1.0, 0.75, 0.5, 0.25]


def test_cosine_schedules_of_rates_and_beta2() -> None:
    """R3GAN's: from 2e-4 to a quarter, from 0.9 to 0.99, by the sum of angles instead of one cosine."""
    changes = {"lr_decay": "cosine", "lr_end_share": 0.25, "beta2_end": 0.99}
    steps = toy_steps(objective="r3gan", num_steps=4, **changes)
    for step in range(4):
        steps.critic_step(step, 0)
        steps.generator_step(step)
        share = math.cos(math.pi * step / 8) ** 2  # the half-angle form of ½(1 + cos)
        for optimizer in (steps.critic_optimizer, steps.generator_optimizer):
            group = optimizer.param_groups[0]
            assert group["lr"] == pytest.approx(2e-4 * (0.25 + 0.75 * share))
            assert group["betas"] == pytest.approx((0.0, 0.99 - 0.09 * share))
    assert toy_steps(objective="r3gan").settings.beta2_end == 0.9


def test_a_generator_in_parts_is_the_generator_on_each_part() -> None:
    for supervised in (False, True):
        steps = toy_steps(objective="mmd", norm_parts=2, supervised=supervised)
        noise = torch.randn(7, steps.generator.noise_size)
        labels = torch.arange(7) % 2 if supervised else None
        with torch.no_grad():
            made = steps.plain_generator(noise, labels)
            halves = [steps.generator(noise[a:b], None if labels is None else labels[a:b]) for a, b in ((0, 4), (4, 7))]
            assert torch.equal(made, torch.cat(halves))
            assert not torch.allclose(made, steps.generator(noise, labels))
        assert (
            steps.to_publish().state_dict().keys() == toy_steps(supervised=supervised).to_publish().state_dict().keys()
        )
        steps.both(0)


def test_average_counts_the_images_of_generator_steps() -> None:
    steps = toy_steps(objective="sn-gan", generator_batch_images=5, num_steps=9)
    counted: list[tuple[int, int]] = []
    steps.average.update = lambda _module, seen, batch, progress: counted.append((seen, batch))
    for step in (0, 1, 7):
        steps.generator_step(step)
    assert counted == [(5, 5), (10, 5), (40, 5)]


def test_reals_are_dequantised_anew_each_step() -> None:
    steps = toy_steps(objective="sn-gan", batch_images=24)
    _, _, seen = recorded(steps)
    for turn in (0, 1):
        steps.critic_step(0, turn)
    images = toy_images().images
    for x in seen:
        levels = (x[:24] + 1) * 128
        assert not torch.equal(levels, levels.floor())
        stored = sorted(levels.floor().flatten(1).sum(1).tolist())
        assert stored == sorted(images.reshape(24, -1).sum(1).astype(float).tolist())
    first, second = (torch.sort((x[:24] + 1) % (1 / 128)).values for x in seen)
    assert not torch.equal(first, second)


def test_weights_are_channels_last() -> None:
    steps = toy_steps(objective="sn-gan")
    for module in (steps.critic, steps.generator):
        four = [p for p in module.parameters() if p.dim() == 4]
        assert four
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in four)


def test_critic_weights_come_from_the_seed() -> None:
    def weights(seed: int) -> Tensor:
        return toy_steps(seed=seed, objective="sn-gan").critic.score.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_every_parameter_of_the_critic_gets_a_gradient() -> None:
    """Several processes need it: a parameter left out of the loss would be waited for."""
    for objective in OBJECTIVES:
        for supervised in (False, True):
            steps = toy_steps(objective=objective, supervised=supervised)
            steps.critic_step(0, 0)
            missing = [name for name, p in steps.critic.named_parameters() if p.grad is None]
            assert not missing, (objective, supervised, missing)


def test_objective_options_reach_the_critic() -> None:
    def critic(**changes: object) -> Critic:
        return toy_steps(**changes).critic

    assert critic(objective="mmd")(torch.zeros(2, 3, 8, 8)).scores.shape == (2, 16)
    assert hasattr(critic(objective="sn-gan").score, "parametrizations")
    assert not hasattr(critic(objective="r3gan").score, "parametrizations")
    assert [d.p for d in critic(objective="ct-gan").dropouts] == [0.2, 0.5, 0.5]
    assert [d.p for d in critic(objective="wgan-gp").dropouts] == [0.0, 0.0, 0.0]
    assert critic(objective="sn-gan", supervised=True).classify.out_features == 2
    assert critic(objective="mmd", supervised=True).project.out_features == 2 * 16
    assert toy_settings(objective="ct-gan").own.dropout == (0.2, 0.5, 0.5)


@pytest.mark.parametrize("changes", [{"batch_images": 1}, {"generator_batch_images": 1}])
def test_mmd_needs_pairs(changes: dict[str, int]) -> None:
    """Its losses are means over pairs of images: of one image they were 0/0, and the training seemed to diverge."""
    settings = toy_settings(objective="mmd", **changes)
    with pytest.raises(UserError, match="mmd compares the images of a batch with each other, but a batch has 1"):
        check_images(toy_images(), settings)


def test_mmd_needs_pairs_on_every_process() -> None:
    images = toy_images()
    three = dataclasses.replace(images, images=images.images[:3], labels=None, class_names=())
    check_images(three, toy_settings(objective="mmd"), 1)
    with pytest.raises(UserError, match="a batch has 1 per process"):
        check_images(three, toy_settings(objective="mmd"), 2)
    check_images(three, toy_settings(objective="sn-gan"), 2)


def test_reals_of_one_channel_are_laid_out_channels_last_too() -> None:
    """`contiguous(memory_format=…)` would leave them as they are, and convolutions would take another way."""
    images = toy_images(channels=1)
    steps = Steps(toy_generator(channels=1), images, toy_settings(), seed=0, engine=Engine(device="cpu"))
    reals, _ = steps._reals(steps.batches, 0, "critic dequantisation")
    assert reals.stride() == torch.empty(reals.shape).to(memory_format=torch.channels_last).stride()
    assert reals.stride() != torch.empty(reals.shape).stride()
