"""The generator of a stage: it begins with the images of the stage before, and ends as an ordinary one."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from toy_gan import toy_generator, toy_settings

from degas.gan.fresh import fresh_generator
from degas.gan.grow.generator import FadingGenerator, generator_of_stage
from degas.generator.generator import Generator
from degas.space.graph import Order

KINDS: list[tuple[str, Order, int]] = [
    ("architecture", "normal-up", 0),
    ("architecture", "up-normal", 2),
    ("resnet", "normal-up", 2),
]
kinds = pytest.mark.parametrize(("kind", "order", "num_classes"), KINDS)


def noise() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def stages(kind: str, order: Order, num_classes: int) -> tuple[Generator, list[nn.Module]]:
    """The generator of a training at 32 px, and the modules of its stages at 8, 16 and 32 px with moved weights."""
    final = toy_generator(num_classes, kind=kind, num_stages=3, order=order)
    settings = toy_settings(supervised=num_classes > 0)
    made: list[nn.Module] = []
    for number in range(3):
        stage = generator_of_stage(final, settings, 2 - number, seed=0).double()
        made.append(FadingGenerator(stage).double() if number else stage)
        if number:
            made[-1].take_over(made[-2])  # type: ignore[operator]
        with torch.no_grad():
            for k, (name, value) in enumerate(made[-1].state_dict().items()):
                value.add_(torch.rand(value.shape, generator=torch.Generator().manual_seed(k), dtype=value.dtype) / 9)
                assert "num_batches" not in name
        if number:
            made[-1].take_over(made[-2])  # type: ignore[operator] - again, after its own weights have moved
    return final, made


def repeated(images: Tensor) -> Tensor:
    """Each pixel four times, by its definition."""
    n, channels, height, width = images.shape
    larger = images.new_zeros((n, channels, 2 * height, 2 * width))
    for row in range(2 * height):
        for column in range(2 * width):
            larger[:, :, row, column] = images[:, :, row // 2, column // 2]
    return larger


@kinds
@pytest.mark.parametrize("training", [True, False])
def test_a_stage_begins_with_the_images_of_the_one_before(
    kind: str, order: Order, num_classes: int, training: bool
) -> None:
    _, made = stages(kind, order, num_classes)
    labels = torch.tensor([0, 1, 1, 0]) if num_classes else None
    for before, stage in pairwise(made):
        assert isinstance(stage, FadingGenerator)
        smaller = before.train(training)(noise(), labels)
        stage.train(training).fade = 0.0
        torch.testing.assert_close(stage(noise(), labels), repeated(smaller), rtol=0, atol=1e-12)
        own = stage.generator(noise(), labels)
        stage.fade = 1.0
        assert torch.equal(stage(noise(), labels), own)
        stage.fade = 0.25
        mixed = 0.25 * own + 0.75 * repeated(smaller)
        torch.testing.assert_close(stage(noise(), labels), mixed, rtol=0, atol=1e-12)
        found = stage.smaller().train(training)(noise(), labels)
        torch.testing.assert_close(found, smaller, rtol=0, atol=1e-12)
        stage.fade = 1.0  # it is the next one's stage before


@kinds
def test_weights_taken_over_are_equal_and_all_others_stay(kind: str, order: Order, num_classes: int) -> None:
    _, made = stages(kind, order, num_classes)
    for before, stage in pairwise(made):
        assert isinstance(stage, FadingGenerator)
        old = before.generator if isinstance(before, FadingGenerator) else before
        assert isinstance(old, Generator)
        with torch.no_grad():
            for value in stage.parameters():
                value.add_(1.0)  # else the weights that stay could be those of an earlier taking over
        own = {name: value.clone() for name, value in stage.generator.network.state_dict().items()}
        stage.take_over(before)
        head = ("norm.", "to_image.")
        for name, value in stage.generator.network.state_dict().items():
            taken = name in old.network.state_dict() and not name.startswith(head)
            assert torch.equal(value, old.network.state_dict()[name] if taken else own[name]), name
        for name, value in stage.before.state_dict().items():
            assert torch.equal(value, old.network.state_dict()[name])


@kinds
def test_the_last_stage_trains_the_ordinary_generator_itself(kind: str, order: Order, num_classes: int) -> None:
    final, made = stages(kind, order, num_classes)
    assert made[-1].generator is final
    plain = toy_generator(num_classes, kind=kind, num_stages=3, order=order)
    assert final.config == plain.config
    assert {n: v.shape for n, v in final.state_dict().items()} == {n: v.shape for n, v in plain.state_dict().items()}


def test_the_first_stage_begins_with_the_weights_of_a_training_at_its_size_alone() -> None:
    settings, final = toy_settings(), toy_generator(kind="architecture", num_stages=2)
    first = generator_of_stage(final, settings, 1, seed=5)
    assert first.image_size == 8
    again = generator_of_stage(first, settings, 0, seed=5)
    assert again is first
    assert first.architecture == final.architecture.shortened(1)  # type: ignore[union-attr]
    whole = generator_of_stage(toy_generator(kind="architecture", num_stages=3), settings, 2, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), whole.parameters(), strict=True))
    alone = fresh_generator(first.architecture, settings, 5)  # type: ignore[arg-type]
    other = generator_of_stage(final, settings, 1, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), alone.parameters(), strict=True))
    assert not torch.equal(first.network.linear.weight, other.network.linear.weight)  # type: ignore[union-attr,arg-type]
    resnet = toy_generator(kind="resnet", num_stages=2)
    drawn = [generator_of_stage(resnet, settings, 1, seed).network.first.linear.weight for seed in (5, 6)]  # type: ignore[union-attr]
    assert not torch.equal(*drawn)  # type: ignore[arg-type]
