"""The default critic written out layer by layer, without a layout: CT-GAN's blocks, as degas 0.2 built them."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from degas.nets.initialisation import GLOROT, biased_conv, started


class ImageBlock(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = biased_conv(channels, width, 3), biased_conv(width, width, 3)
        self.shortcut = biased_conv(channels, width, 1, GLOROT)

    def forward(self, x: Tensor) -> Tensor:
        return pool(self.conv2(F.relu(self.conv1(x)))) + self.shortcut(pool(x))


class Block(nn.Module):
    def __init__(self, width: int, down: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = biased_conv(width, width, 3), biased_conv(width, width, 3)
        self.shortcut = biased_conv(width, width, 1, GLOROT) if down else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + hidden if self.shortcut is None else pool(hidden) + self.shortcut(pool(x))


class PlainResnetCritic(nn.Module):
    """Images (N, channels, H, W) → scores (N, output_size), without dropout."""

    def __init__(self, *, width: int, channels: int, image_size: int, output_size: int, num_classes: int) -> None:
        super().__init__()
        num_extra = max(0, math.ceil(math.log2(image_size / 64)))
        self.image_block = ImageBlock(channels, width)
        self.extra = nn.Sequential(*(Block(width, down=True) for _ in range(num_extra)))
        self.blocks = nn.ModuleList(Block(width, down=k == 0) for k in range(3))
        self.score = started(nn.Linear(width, output_size), GLOROT)
        self.classify = started(nn.Linear(width, num_classes), GLOROT) if num_classes else None

    def forward(self, images: Tensor) -> Tensor:
        x = self.extra(self.image_block(images))
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.score(F.relu(x).mean((2, 3)))
        return scores


def pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True)
