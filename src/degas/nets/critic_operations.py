"""The one table from a critic operation's name to its module. To add one, call `register_critic_operation`.

Every operation is pre-activated, keeps the width and has no batch norm, so that rows do not affect each other. A down
operation maps (N, C, H, W) to (N, C', ⌈H/2⌉, ⌈W/2⌉), a normal one keeps the size. Initial weights are CT-GAN's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from degas.errors import UserError, nearest
from degas.nets.initialisation import GLOROT, biased_conv, started
from degas.nets.resampling import convolve_and_blur, convolve_and_half, even, half
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticKind

Build = Callable[[int], nn.Module]
# Down operations that are computed together with the convolution before them.
HALVED: dict[str, Callable[[Tensor, Any], Tensor]] = {"mean_pool": convolve_and_half, "blur_pool": convolve_and_blur}


class DownBlock(nn.Module):
    """(N, C, H, W) → (N, width, ⌈H/2⌉, ⌈W/2⌉): ReLU, conv 3×3, ReLU, the down operation; shortcut conv 1×1.

    The block that sees the images has no ReLU before its first convolution.

    Args:
        channels, width: of the input and of the output.
        name: the down operation, which includes a convolution from width to width.
        sees_images: whether the input is the images.
    """

    def __init__(self, channels: int, width: int, name: str, *, sees_images: bool = False) -> None:
        super().__init__()
        self.sees_images, self.halved = sees_images, HALVED.get(name)
        self.conv1, self.conv2 = biased_conv(channels, width, 3), BUILDERS[name](width)
        self.shortcut = biased_conv(channels, width, 1, GLOROT)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.conv1(x if self.sees_images else F.relu(x)))
        smaller = self.conv2(hidden) if self.halved is None else self.halved(hidden, self.conv2)
        # The authors convolve, then pool. The two commute for a 1×1 convolution, and this order costs a quarter.
        return smaller + self.shortcut(half(x))


class Residual(nn.Module):
    """(N, C, H, W) → the same size: x + conv 3×3 (ReLU (conv 3×3 (ReLU x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = biased_conv(width, width, 3), biased_conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Strided(nn.Conv2d):
    """Convolution 4×4 with stride 2; the size is made even before."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(even(x))


class SpaceToDepth(nn.Conv2d):
    """Each 2×2 pixels become channels, of which a convolution 1×1 makes `width`; the size is made even before."""

    def __init__(self, width: int) -> None:
        super().__init__(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pixel_unshuffle(even(x), 2))


class MaxPool(nn.MaxPool2d):
    """The largest of 2×2 pixels; odd sizes are rounded up."""

    def __init__(self) -> None:
        super().__init__(2, ceil_mode=True)


def _separable(width: int) -> nn.Module:
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
    return nn.Sequential(nn.ReLU(), started(depthwise, 2.0), biased_conv(width, width, 1, GLOROT))


BUILDERS: dict[str, Build] = {
    "mean_pool": lambda width: biased_conv(width, width, 3),
    "strided_conv_4x4": lambda width: started(Strided(width), 2.0),
    "blur_pool": lambda width: biased_conv(width, width, 3),
    "space_to_depth": lambda width: started(SpaceToDepth(width), 2.0),
    "max_pool": lambda width: nn.Sequential(biased_conv(width, width, 3), MaxPool()),
    "conv_1x1": lambda width: nn.Sequential(nn.ReLU(), biased_conv(width, width, 1)),
    "conv_3x3": lambda width: nn.Sequential(nn.ReLU(), biased_conv(width, width, 3)),
    "sep_conv_3x3": _separable,
    "residual": Residual,
    "skip": lambda width: nn.Identity(),
}


def register_critic_operation(name: str, kind: CriticKind, build: Build) -> None:
    """Add an operation under `name` to the vocabulary of critic files.

    `build(width)` returns a module on maps (N, width, H, W). A normal operation keeps the size. A down operation halves
    it, odd sizes rounded up; it gets rectified maps, and its block adds a shortcut. Raises `UserError` if the name is
    taken.
    """
    if name in CRITIC_OPERATION_KINDS:
        raise UserError(f"critic operation {name!r} is already registered; choose another name")
    CRITIC_OPERATION_KINDS[name] = kind
    BUILDERS[name] = build


def build_critic_operation(name: str, width: int, *, channels: int | None = None) -> nn.Module:
    """The module of one operation.

    Args:
        name: a key of the table; `UserError` otherwise, or for a registered operation with a batch norm.
        width: channels in and out.
        channels: those of the images, for the first operation.
    """
    if name not in BUILDERS:
        raise UserError(f"unknown critic operation {name!r}{nearest(name, BUILDERS)}")
    if CRITIC_OPERATION_KINDS[name] == "down":
        sees_images = channels is not None
        built: nn.Module = DownBlock(width if channels is None else channels, width, name, sees_images=sees_images)
    else:
        built = BUILDERS[name](width)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in built.modules()):
        raise UserError(f"critic operation {name!r}: has a batch norm, which mixes the images of a batch; leave it out")
    return built
