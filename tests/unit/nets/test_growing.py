"""The fade between two image sizes, and the image head of a smaller map: pixel by pixel, and by its definition."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.nets.growing import HEAD_PARTS, Head, fade_share, faded


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def test_a_fade_repeats_each_pixel_of_the_smaller_images() -> None:
    for factor in (1, 2, 4):
        before, own = drawn(2, 3, 2, 2), drawn(2, 3, 2 * factor, 2 * factor)
        mixed = faded(own, before, 0.25)
        for row in range(2 * factor):
            for column in range(2 * factor):
                expected = 0.25 * own[..., row, column] + 0.75 * before[..., row // factor, column // factor]
                torch.testing.assert_close(mixed[..., row, column], expected, rtol=0, atol=1e-15)
        assert torch.equal(faded(own, before, 1.0), own)


def test_the_share_grows_by_equal_steps_to_one_after_a_tenth_of_the_stage() -> None:
    assert [round(fade_share(step, 40), 12) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [fade_share(0, few) for few in (1, 3, 10)] == [1.0, 1.0, 1.0]


def test_a_head_is_batch_norm_relu_convolution_tanh() -> None:
    head, x = Head(width=3, channels=2).double(), drawn(4, 3, 5, 5)
    with torch.no_grad():
        for k, value in enumerate(head.parameters()):
            value.copy_(drawn(*value.shape) + k)
    assert {name.split(".")[0] for name in head.state_dict()} == set(HEAD_PARTS)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    scale, shift = (value.reshape(1, 3, 1, 1) for value in (head.norm.weight, head.norm.bias))
    active = (scale * (x - mean) / (variance + head.norm.eps).sqrt() + shift).clamp(min=0)
    padded = torch.nn.functional.pad(active, (1, 1, 1, 1))
    sums = torch.zeros(4, 2, 5, 5, dtype=torch.float64)
    for row in range(3):
        for column in range(3):
            kernel = head.to_image.weight[:, :, row, column]
            sums += torch.einsum("oc,nchw->nohw", kernel, padded[:, :, row : row + 5, column : column + 5])
    assert head.to_image.bias is not None
    expected = torch.tanh(sums + head.to_image.bias.reshape(1, 2, 1, 1))
    torch.testing.assert_close(head(x.clone()), expected, rtol=0, atol=1e-12)
