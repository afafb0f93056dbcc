"""The whole supernet against the textbook's: image, and every gradient, in float64."""

from __future__ import annotations

import pytest
import torch
from textbook_mixed import TextbookMixedOp, copy_supernet, textbook_supernet
from torch import Tensor
from torch.overrides import TorchFunctionMode

from degas.nas.supernet.mixing import Mixing
from degas.nas.supernet.supernet import Supernet
from degas.space.graph import ORDERS, Order, SearchSpace

SIZES = {"base_size": 4, "width": 4, "noise_size": 5, "channels": 3}


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("order", ["preact", "darts"])
@pytest.mark.parametrize(("num_normal", "stage"), [(0, "normal-up"), *((n, order) for n in (1, 2) for order in ORDERS)])
def test_images_and_all_gradients_equal_the_textbooks(num_normal: int, stage: Order, order: str, fold: bool) -> None:
    torch.manual_seed(0)
    space = SearchSpace(2, num_normal, order=stage)
    ours = Supernet(space, **SIZES, separable_order=order, alpha_std=1.0, fold_factor=fold).double()
    ours = ours.to(memory_format=torch.channels_last)
    theirs = textbook_supernet(space, **SIZES, separable_order=order).double()
    copy_supernet(theirs, ours)
    noise = torch.randn(3, 5, dtype=torch.float64)
    a, b = noise.clone().requires_grad_(), noise.clone().requires_grad_()
    images, expected = ours(a), theirs(b)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-10)
    target = torch.rand(images.shape, dtype=torch.float64)
    (images - target).square().sum().backward()
    (expected - target).square().sum().backward()
    for ours_grad, their_grad in zip(gradients(ours, a), gradients_of_textbook(ours, theirs, b), strict=True):
        scale = float(their_grad.abs().max())
        torch.testing.assert_close(ours_grad, their_grad, rtol=0, atol=1e-10 * max(scale, 1.0))


def mixing_rules(space: SearchSpace) -> dict[str, list[Mixing]]:
    """A rule for every edge; `some`: without the first operation, `one`: the last alone, `none`: some edges gone."""
    generator = torch.Generator().manual_seed(3)
    sizes = [len(space.operations(slot)) for slot in space.slots]
    noise = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    return {
        "temperature": [Mixing(0.3) for _ in sizes],
        "gumbel": [Mixing(0.7, its) for its in noise],
        "some": [Mixing(2.0, keep=(False, *[True] * (size - 1))) for size in sizes],
        "one": [Mixing(keep=(*[False] * (size - 1), True)) for size in sizes],
        "none": [Mixing(keep=(number % 2 == 0,) * size) for number, size in enumerate(sizes)],
    }


@pytest.mark.parametrize("kind", ["temperature", "gumbel", "some", "one", "none"])
def test_every_way_to_mixing_weights_equals_the_textbooks(kind: str) -> None:
    torch.manual_seed(1)
    space = SearchSpace(2)
    ours = Supernet(space, **SIZES, alpha_std=1.0).double()
    plain = ours(torch.ones(3, 5, dtype=torch.float64))
    for slot, rule in zip(space.slots, mixing_rules(space)[kind], strict=True):
        ours.edge(slot).mixing_rule = rule
    theirs = textbook_supernet(space, **SIZES).double()
    copy_supernet(theirs, ours)
    noise = torch.randn(3, 5, dtype=torch.float64)
    a, b = noise.clone().requires_grad_(), noise.clone().requires_grad_()
    images, expected = ours(a), theirs(b)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-10)
    assert not torch.allclose(ours(torch.ones(3, 5, dtype=torch.float64)), plain)
    images.square().sum().backward()
    expected.square().sum().backward()
    for ours_grad, their_grad in zip(gradients(ours, a), gradients_of_textbook(ours, theirs, b), strict=True):
        scale = float(their_grad.abs().max())
        torch.testing.assert_close(ours_grad, their_grad, rtol=0, atol=1e-10 * max(scale, 1.0))


def gradients(supernet: Supernet, noise: Tensor) -> list[Tensor]:
    edges = [supernet.edge(slot) for slot in supernet.space.slots]
    kernels = [p for e in edges for name in e.branches for p in e.branches[name].parameters()]
    backbone = supernet.backbone
    ends = [*backbone.linear.parameters(), *backbone.to_image.parameters(), *backbone.norm.parameters()]
    return [t.grad for t in (noise, *(e.alpha for e in edges), *kernels, *ends)]  # type: ignore[misc]


def gradients_of_textbook(supernet: Supernet, textbook: torch.nn.Module, noise: Tensor) -> list[Tensor]:
    edges = [e for e in textbook.edges.values() if isinstance(e, TextbookMixedOp)]
    kernels = [p for e in edges for name in e.operations for p in e.kernels(name)]
    ends = [*textbook.linear.parameters(), *textbook.to_image.parameters(), *textbook.norm.parameters()]
    return [t.grad for t in (noise, *(e.alpha for e in edges), *kernels, *ends)]  # type: ignore[misc]


class CountDense(TorchFunctionMode):
    """Counts transposed convolutions, and dense convolutions of kernels wider than 1."""

    def __init__(self) -> None:
        super().__init__()
        self.up = self.dense = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function is torch.nn.functional.conv_transpose2d:
            self.up += 1
        if function is torch.nn.functional.conv2d and args[1].shape[1] > 1 and args[1].shape[-1] > 1:
            self.dense += 1
        return function(*args, **(kwargs or {}))


def test_edges_into_a_node_are_one_convolution_for_each_factor() -> None:
    """U1: both edges ×2. U2: two ×2, one ×4. Two normal maps a stage: the second takes two edges, one convolution."""
    torch.manual_seed(0)
    supernet = Supernet(SearchSpace(2, 2), **SIZES)
    with CountDense() as count:
        supernet(torch.randn(2, 5))
    assert count.up == 3
    assert count.dense == 4 + 1  # and the convolution to the image
