from __future__ import annotations

import pytest
import torch
from torch import nn

from degas.nas.supernet.depthwise import depthwise, every_second_pixel, is_depthwise, same_convolution

CHANNELS = 3


def inputs(size: tuple[int, int], kernel: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, CHANNELS, *size, generator=generator, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(CHANNELS, 1, kernel, kernel, generator=generator, dtype=dtype)
    return [x.requires_grad_(), weight.requires_grad_()]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (8, 6), (5, 7), (2, 9)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_value_and_gradients_equal_torchs_own(size: tuple[int, int], kernel: int, dilation: int) -> None:
    ours, theirs = inputs(size, kernel), inputs(size, kernel)
    out, plain = depthwise(*ours, dilation), same_convolution(*theirs, dilation)
    torch.testing.assert_close(out, plain, rtol=0, atol=1e-12)
    direction = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    out.backward(direction)
    plain.backward(direction)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_gradients_match_finite_differences(kernel: int, dilation: int) -> None:
    assert torch.autograd.gradcheck(lambda x, w: depthwise(x, w, dilation), inputs((4, 6), kernel))


def test_a_frozen_kernel_gets_no_gradient() -> None:
    x, weight = inputs((4, 4), 5)
    weight.requires_grad_(False)
    depthwise(x, weight, 2).sum().backward()
    assert x.grad is not None
    assert weight.grad is None


def test_autocast_takes_torchs_own_path() -> None:
    x, weight = inputs((4, 4), 5, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = depthwise(x, weight, 1)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert x.grad.dtype == torch.float32


def test_every_second_pixel_goes_to_its_own_image() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert every_second_pixel(x)[:, 0, 0, 0].tolist() == [0.0, 1.0, 4.0, 5.0]
    assert every_second_pixel(x)[3, 0].tolist() == [[5.0, 7.0], [13.0, 15.0]]


def test_what_is_depthwise() -> None:
    def made(**changes: object) -> nn.Conv2d:
        usual = {"kernel_size": 5, "padding": 2, "groups": 4, "bias": False}
        return nn.Conv2d(4, 4, **{**usual, **changes})  # type: ignore[arg-type]

    assert is_depthwise(made())
    assert is_depthwise(made(dilation=2, padding=4))
    for odd in ({"groups": 2}, {"bias": True}, {"padding": 1}, {"stride": 2}, {"padding_mode": "circular"}):
        assert not is_depthwise(made(**odd)), odd
    assert not is_depthwise(nn.ReLU())
    assert not is_depthwise(made(kernel_size=(5, 3), padding=(2, 1)))
