"""Depthwise convolution whose backward pass is as fast as the forward pass on the CPU.

torch's own backward pass of a channels-last depthwise convolution is slow for kernels wider than 3 and for dilation 2:
up to forty times the forward pass. Three exact identities avoid that.

- The gradient to the input is the same convolution of the output's gradient, with the kernel flipped.
- A convolution with dilation 2 is one with dilation 1 on each of the four images of every second pixel.
- A kernel gradient has one entry per tap, so five columns can be computed as 1 + 3 + 1, and three columns are fast.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def is_depthwise(module: nn.Module) -> bool:
    """Return whether `depthwise` computes the same as `module`."""
    if not isinstance(module, nn.Conv2d) or module.groups != module.in_channels or module.bias is not None:
        return False
    size, dilation = module.kernel_size[0], module.dilation[0]
    usual = module.kernel_size == (size, size) and module.dilation == (dilation, dilation) and size % 2 == 1
    keeps = module.stride == (1, 1) and module.padding == (dilation * (size // 2),) * 2
    return usual and keeps and module.out_channels == module.in_channels and module.padding_mode == "zeros"


def depthwise(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """x (N, C, H, W) with the kernel (C, 1, k, k) of each channel, k odd, zeros outside: (N, C, H, W).

    Differentiable once. On other devices than the CPU, and under autocast, it is torch's own convolution.
    """
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return same_convolution(x, weight, dilation)
    return _Depthwise.apply(x, weight, dilation)


def same_convolution(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=weight.shape[0])


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return same_convolution(x, weight, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        to_x = same_convolution(gradient, weight.flip(2, 3), ctx.dilation) if ctx.needs_input_grad[0] else None
        to_weight = kernel_gradient(x, gradient, weight, ctx.dilation) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None


def kernel_gradient(x: Tensor, gradient: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """(C, 1, k, k) with the k of `weight`: entry (i, j) sums, over images and pixels, the output's gradient times the
    pixel of x that is dilation·(i − k//2) rows and dilation·(j − k//2) columns further."""
    if dilation == 2 and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
        x, gradient, dilation = every_second_pixel(x), every_second_pixel(gradient), 1
    side = weight.shape[3] // 2
    if dilation > 1 or side != 2 or x.shape[3] <= side:
        return _columns(x, gradient, weight, dilation, dilation * side)
    left = _columns(x[..., :-side], gradient[..., side:], weight[..., :1], 1, 0)
    middle = _columns(x, gradient, weight[..., 1:-1], 1, 1)
    right = _columns(x[..., side:], gradient[..., :-side], weight[..., :1], 1, 0)
    return torch.cat([left, middle, right], dim=3)


def every_second_pixel(x: Tensor) -> Tensor:
    """(N, C, H, W) → (4N, C, H/2, W/2): the images of even and odd rows and columns, one after the other."""
    n, c, h, w = x.shape
    split = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(2, 4, 0, 1, 3, 5)
    return split.reshape(4 * n, h // 2, w // 2, c).permute(0, 3, 1, 2)


def _columns(x: Tensor, gradient: Tensor, weight: Tensor, dilation: int, side: int) -> Tensor:
    """torch's kernel gradient, with `side` columns of zeros beside x; `weight` only gives the shape (C, 1, k, l)."""
    padding = [dilation * (weight.shape[2] // 2), side]
    only_weight = [False, True, False]
    gradients = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], padding, [dilation] * 2, False, [0, 0], len(weight), only_weight
    )
    return gradients[1]
