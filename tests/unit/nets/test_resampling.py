"""Convolutions folded with up-sampling or pooling, held to their definitions in float64, derivatives included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from degas.nets.baselines import ResnetGenerator
from degas.nets.critic import Critic
from degas.nets.normalisation import BatchNorm, ConditionalBatchNorm
from degas.nets.operations import Chain, Nearest, build_operation
from degas.nets.resampling import as_defined, convolve_and_half, keeps_size, repeat_and_convolve, repeat_and_deconvolve

UP = ("deconv_4x4", "deconv_6x6", "nearest_conv_1x1", "nearest_conv_3x3")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def both(function, module: nn.Module, x: Tensor) -> None:
    """Values, gradients and gradients of gradients are those of the definition."""
    results = []
    for defined in (False, True):
        x = x.detach().clone().requires_grad_()
        with as_defined() if defined else torch.enable_grad():
            y = function(x)
        probe = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        (grad,) = torch.autograd.grad((y * probe).sum(), x, create_graph=True)
        second = torch.autograd.grad(grad.square().sum() + y.square().sum(), list(module.parameters()))
        results.append([y.detach(), grad.detach(), *second])
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("pixels", [(1, 1), (3, 2), (4, 4)])
def test_nearest_then_convolution(size: int, factor: int, pixels: tuple[int, int]) -> None:
    conv = nn.Conv2d(2, 3, size, padding=size // 2).double()
    both(lambda x: repeat_and_convolve(x, conv, factor), conv, torch.randn(2, 2, *pixels).double())


@pytest.mark.parametrize("size", [2, 4, 6])
@pytest.mark.parametrize("factor", [2, 4])
def test_nearest_then_transposed_convolution(size: int, factor: int) -> None:
    deconv = nn.ConvTranspose2d(2, 3, size, stride=2, padding=(size - 2) // 2).double()
    both(lambda x: repeat_and_deconvolve(x, deconv, factor), deconv, torch.randn(2, 2, 3, 3).double())


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("pixels", [(2, 2), (4, 6), (5, 4), (4, 5), (3, 3)])
def test_convolution_then_mean_pool(size: int, pixels: tuple[int, int]) -> None:
    conv = nn.Conv2d(2, 3, size, padding=size // 2).double()
    both(lambda x: convolve_and_half(x, conv), conv, torch.randn(2, 2, *pixels).double())


def test_a_convolution_that_is_anything_else_is_left_alone() -> None:
    for conv in (
        nn.Conv2d(2, 2, 3, padding=1, groups=2),
        nn.Conv2d(2, 2, 3, padding=2, dilation=2),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(2, 2, 3),
        nn.Conv2d(2, 2, 2),
        nn.Conv2d(2, 2, 3, padding=1, stride=2),
    ):
        assert not keeps_size(conv)
    dilated = nn.Conv2d(2, 2, 3, padding=2, dilation=2).double()
    both(lambda x: repeat_and_convolve(x, dilated), dilated, torch.randn(1, 2, 3, 3).double())


@pytest.mark.parametrize("name", UP)
@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_up_operations_at_every_factor(name: str, factor: int, num_classes: int) -> None:
    """Batch norm comes before the up-sampling instead of after: the same statistics, running ones included."""

    def norm(width: int) -> nn.Module:
        return ConditionalBatchNorm(width, num_classes) if num_classes else BatchNorm(width)

    operation = build_operation(name, 2, factor=factor, norm=norm).double()
    labels = torch.tensor([0, 2, 1]) if num_classes else None
    both(lambda x: operation(x, labels), operation, torch.randn(3, 2, 3, 3).double())
    x = torch.randn(3, 2, 3, 3).double()
    before = [buffer.clone() for buffer in operation.buffers()]
    operation(x, labels)
    ours = [buffer.clone() for buffer in operation.buffers()]
    for buffer, old in zip(operation.buffers(), before, strict=True):
        buffer.copy_(old)
    with as_defined():
        operation(x, labels)
    for one, other in zip(ours, operation.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_what_does_not_commute_gets_the_pixels_repeated_first() -> None:
    """A pool, a module of one's own, or nothing at all after nearest up-sampling."""

    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1, 3)

    x = torch.randn(2, 2, 3, 3).double()
    for chain in (Chain(Nearest(2)), Chain(Nearest(2), Shift()), Chain(Nearest(2), nn.AvgPool2d(3, 1, 1), Nearest(2))):
        with as_defined():
            expected = chain(x)
        torch.testing.assert_close(chain(x), expected)
        assert expected.shape[2] in (6, 12)


@pytest.mark.parametrize("image_size", [16, 10])
def test_the_critic_is_what_it_was(image_size: int) -> None:
    critic = Critic(width=4, channels=3, image_size=image_size, spectral=False).double()
    both(
        lambda x: critic(x).scores + critic(x).features.sum(1),
        critic,
        torch.randn(2, 3, image_size, image_size).double(),
    )


def test_the_resnet_generator_is_what_it_was() -> None:
    generator = ResnetGenerator(width=4, noise_size=3, base_size=2, num_stages=2, channels=3).double()
    both(generator, generator, torch.randn(4, 3).double())
