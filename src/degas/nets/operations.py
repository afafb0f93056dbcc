"""The one table from operation name to module. To add an operation, call `register_operation`.

Every operation maps (N, width, H, W) to (N, width, factor·H, factor·W) and is called as `operation(x, labels)`.
Convolutions have no biases. Sources: paper §3.2; DARTS for separable and dilated convolutions and pooling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from degas.errors import UserError, nearest
from degas.nets.normalisation import BatchNorm, ConditionalBatchNorm
from degas.nets.resampling import (
    repeat_and_convolve,
    repeat_and_deconvolve,
    repeat_pixels,
    spread,
    up_convolve,
    waits,
)
from degas.space.graph import OPERATION_KINDS, Kind

Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Site:
    """The place where an operation is built: width, how to make a batch norm, the order inside separable convolutions,
    and whether a pool is followed by a batch norm (in the supernet it is; DARTS' code)."""

    width: int
    norm: Norm
    separable_order: str = "preact"
    pool_norm: bool = False


class Chain(nn.Sequential):
    """Modules in sequence; batch norms and chains also receive the labels.

    Nearest up-sampling is deferred to the next convolution, since the two together are cheaper (`nets.resampling`).
    Batch norm and ReLU commute with it; before any other module the pixels are repeated.
    """

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return repeat_pixels(*self._run(x, labels, 1))

    def _run(self, x: Tensor, labels: Tensor | None, repeats: int) -> tuple[Tensor, int]:
        """The output before nearest up-sampling, and the whole factor of the up-sampling that remains."""
        for module in self:
            if isinstance(module, Nearest) and waits():
                repeats *= module.factor
            elif type(module) is Chain:
                x, repeats = module._run(x, labels, repeats)
            elif repeats > 1 and type(module) not in (BatchNorm, ConditionalBatchNorm, nn.ReLU):
                x, repeats = _after_nearest(module, x, labels, repeats), 1
            else:
                x = _apply(module, x, labels)
        return x, repeats


def _apply(module: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return module(x, labels) if isinstance(module, (BatchNorm, Chain)) else module(x)


def _after_nearest(module: nn.Module, x: Tensor, labels: Tensor | None, repeats: int) -> Tensor:
    """`module` applied to x with its pixels repeated."""
    if isinstance(module, nn.Conv2d):
        return repeat_and_convolve(x, module, repeats)
    if isinstance(module, nn.ConvTranspose2d):
        return repeat_and_deconvolve(x, module, repeats)
    return _apply(module, repeat_pixels(x, repeats), labels)


class Nearest(nn.Module):
    """Nearest-neighbour up-sampling by a whole factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return repeat_pixels(x, self.factor)


class BilinearConvolution(nn.Module):
    """Bilinear ×2 and a 3×3 convolution, weight (C_out, C_in, 3, 3), as one transposed convolution.

    Up-sampling weighs neighbours by [1, 3, 3, 1] / 4 along each axis, with zeros outside the map. As in StyleGAN2, the
    convolution also sees the up-sampled values outside the map, so the two equal one kernel exactly, even at borders.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        # Averages have less variance than pixels: for rectified white noise, 0.2923 instead of ½.
        self.weight = convolution(width, width, 3, gain=1 / 0.2923).weight

    def forward(self, x: Tensor) -> Tensor:
        return up_convolve(x, bilinear_kernel(self.weight.transpose(0, 1)))


def bilinear_kernel(kernel: Tensor) -> Tensor:
    """Kernel of a convolution (C_in, C_out, k, k) → kernel of bilinear ×2 plus it (C_in, C_out, k + 3, k + 3)."""
    kernel = kernel.flip(2, 3)  # a transposed convolution flips its kernel
    for _ in range(3):
        kernel = spread(kernel, copies=2, shift=1)  # [1, 1] convolved three times is [1, 3, 3, 1]
    return kernel / 16


def convolution(
    width_in: int, width_out: int, size: int, *, dilation: int = 1, groups: int = 1, gain: float = 2.0
) -> nn.Conv2d:
    """A convolution that keeps H and W; weights ~ N(0, gain / fan-in).

    Gain 2 keeps the variance of a rectified unit-variance input (He et al. 2015), gain 1 that of an unrectified one.
    """
    conv = nn.Conv2d(
        width_in, width_out, size, padding=dilation * (size // 2), dilation=dilation, groups=groups, bias=False
    )
    nn.init.normal_(conv.weight, std=math.sqrt(gain * groups / (width_in * size * size)))
    return conv


def deconvolution(width: int, size: int) -> nn.ConvTranspose2d:
    """A transposed convolution, stride 2, whose output is exactly twice as large as its input.

    Each output pixel sees size²/4 taps per channel, which is its fan-in. With it every up operation starts with equal
    output variance (torch's default would give transposed convolutions a quarter), so that scale does not act like α.
    """
    conv = nn.ConvTranspose2d(width, width, size, stride=2, padding=(size - 2) // 2, bias=False)
    nn.init.normal_(conv.weight, std=math.sqrt(2.0 / (width * size * size / 4)))
    return conv


def _conv(size: int) -> Callable[[Site], Chain]:
    return lambda site: Chain(site.norm(site.width), nn.ReLU(), convolution(site.width, site.width, size))


def _pool(make: Callable[[], nn.Module]) -> Callable[[Site], Chain]:
    return lambda site: Chain(make(), site.norm(site.width)) if site.pool_norm else Chain(make())


def _depthwise_pointwise(site: Site, size: int, dilation: int) -> Chain:
    """ReLU, depthwise, pointwise, with batch norm first (`preact`) or last (`darts`)."""
    width = site.width
    depthwise = convolution(width, width, size, dilation=dilation, groups=width)
    core = [nn.ReLU(), depthwise, convolution(width, width, 1, gain=1.0)]
    return Chain(site.norm(width), *core) if site.separable_order == "preact" else Chain(*core, site.norm(width))


def _separable(size: int) -> Callable[[Site], Chain]:
    return lambda site: Chain(_depthwise_pointwise(site, size, 1), _depthwise_pointwise(site, size, 1))


def _dilated(size: int) -> Callable[[Site], Chain]:
    return lambda site: _depthwise_pointwise(site, size, 2)


def _deconv(size: int) -> Callable[[Site], Chain]:
    return lambda site: Chain(site.norm(site.width), nn.ReLU(), deconvolution(site.width, size))


def _nearest_conv(size: int) -> Callable[[Site], Chain]:
    return lambda site: Chain(site.norm(site.width), nn.ReLU(), Nearest(2), convolution(site.width, site.width, size))


_BUILDERS: dict[str, Callable[[Site], Chain]] = {
    "conv_1x1": _conv(1),
    "conv_3x3": _conv(3),
    "max_pool_3x3": _pool(lambda: nn.MaxPool2d(3, stride=1, padding=1)),
    "avg_pool_3x3": _pool(lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)),
    "skip": lambda site: Chain(),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
    "deconv_4x4": _deconv(4),
    "deconv_6x6": _deconv(6),
    "nearest_conv_1x1": _nearest_conv(1),
    "nearest_conv_3x3": _nearest_conv(3),
    "nearest_conv_5x5": _nearest_conv(5),
    "bilinear_conv_3x3": lambda site: Chain(site.norm(site.width), nn.ReLU(), BilinearConvolution(site.width)),
}


def register_operation(name: str, kind: Kind, build: Callable[[Site], Chain]) -> None:
    """Add an operation under `name` to the search space's vocabulary.

    `build(site)` returns a `Chain`. A normal operation keeps (H, W). An up operation doubles them exactly; for a larger
    factor, nearest up-sampling by factor/2 comes first. Raises `UserError` if the name is taken.
    """
    if name in OPERATION_KINDS or name == "zero":
        raise UserError(f"operation {name!r} is already registered; choose another name")
    OPERATION_KINDS[name] = kind
    _BUILDERS[name] = build


def build_operation(
    name: str,
    width: int,
    *,
    factor: int = 1,
    norm: Norm = BatchNorm,
    separable_order: str = "preact",
    pool_norm: bool = False,
) -> Chain:
    """The module of one operation.

    Args:
        name: a key of the table; `UserError` otherwise, or if a registered operation uses torch's own batch norm,
            which is neither frozen in critic steps nor recalibrated.
        width: channels in and out.
        factor: 1 for a normal edge; 2, 4, … for an up edge (nearest by factor/2 first, then the ×2 operation, so an
            operation has the same parameters at every factor).
        norm: makes the batch norm of a width.
        separable_order: `preact` or `darts`, for separable and dilated convolutions.
        pool_norm: whether a pool is followed by a batch norm.
    """
    if name not in _BUILDERS:
        raise UserError(f"unknown operation {name!r}{nearest(name, _BUILDERS)}")
    operation = _BUILDERS[name](Site(width, norm, separable_order, pool_norm))
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in operation.modules()):
        raise UserError(f"operation {name!r}: torch's batch norm cannot freeze its statistics; use site.norm")
    return Chain(Nearest(factor // 2), operation) if factor > 2 else operation
