"""Initial weights of a found generator other than those that its modules draw (docs/equations.md)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from degas.nets.backbone import Backbone
from degas.nets.initialisation import GLOROT, started
from degas.nets.operations import bilinear_kernel, convolution
from degas.nets.resampling import doubles_size, spread


@torch.no_grad()
def start_deconvolutions(network: nn.Module, how: Literal["independent", "nearest", "bilinear"]) -> None:
    """Start every transposed convolution that doubles the size as up-sampling followed by a convolution.

    A k×k kernel can represent nearest up-sampling plus a (k − 1)×(k − 1) convolution exactly, or bilinear plus a
    (k − 3)×(k − 3) one (`resampling.spread`, `operations.bilinear_kernel`). Training then moves its taps freely. The
    kernel is scaled to the output power of independent taps. `independent` changes nothing.
    """
    for module in network.modules():
        if how != "independent" and isinstance(module, nn.ConvTranspose2d) and doubles_size(module):
            module.weight.copy_(_up_kernel(module, how))


def _up_kernel(deconv: nn.ConvTranspose2d, how: str) -> Tensor:
    """(C_in, C_out, k, k)."""
    width_in, width_out, size = deconv.in_channels, deconv.out_channels, deconv.kernel_size[0]
    inner = size - 1 if how == "nearest" else size - 3
    drawn = convolution(width_in, width_out, inner).weight.transpose(0, 1)
    kernel = spread(drawn.flip(2, 3), copies=2, shift=1) if how == "nearest" else bilinear_kernel(drawn)
    return kernel / math.sqrt(_output_power(kernel))


def _output_power(kernel: Tensor) -> float:
    """Mean square of the output for rectified white noise of unit variance; 1 for independent taps.

    That input is a mean with square 1/(2π) plus noise of variance ½ − 1/(2π). An output pixel sees the taps of one
    phase: their sum weighs the mean, their squares weigh the noise.
    """
    phases = kernel.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (C_in, C_out, k/2, 2, k/2, 2)
    squares, sums = phases.square().sum((2, 4)).mean(), phases.sum((2, 4)).square().mean()
    of_mean = 1 / (2 * math.pi)
    return kernel.shape[0] * float((0.5 - of_mean) * squares + of_mean * sums)


@torch.no_grad()
def start_frame(backbone: nn.Module, how: Literal["unit", "resnet"], image_gain: float = 1.0) -> None:
    """Start the linear layer and the convolution to the image as the baseline `resnet` does, or change nothing."""
    if how == "resnet":
        assert isinstance(backbone, Backbone)
        started(backbone.linear, GLOROT)
        started(backbone.to_image, GLOROT * image_gain)
