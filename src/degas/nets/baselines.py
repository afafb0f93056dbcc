"""Baselines for comparison with a found generator: CT-GAN's own (`resnet`) and DCGAN's (`dcgan`).

Both map noise (N, noise_size) to images (N, channels, H, W) in [−1, 1], H = W = base_size·2^num_stages. With
`num_classes` > 0 their batch norms are conditional on labels (N,), except the last one of `resnet` (CT-GAN's code).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from degas.nets.generators import register_generator
from degas.nets.initialisation import GLOROT, HE, biased_conv, started
from degas.nets.normalisation import make_norm
from degas.nets.resampling import repeat_and_convolve


class FirstMap(nn.Module):
    """Noise (N, noise_size) → linear, reshaped to (N, width, base_size, base_size)."""

    def __init__(self, noise_size: int, width: int, base_size: int) -> None:
        super().__init__()
        self.shape = (width, base_size, base_size)
        self.linear = started(nn.Linear(noise_size, width * base_size * base_size), GLOROT)

    def forward(self, noise: Tensor) -> Tensor:
        # Channels-last from the start; otherwise every later layer converts its input.
        return self.linear(noise).unflatten(1, self.shape).contiguous(memory_format=torch.channels_last)


class UpBlock(nn.Module):
    """(N, C, H, W) → (N, C, 2H, 2W): BN, ReLU, nearest ×2, conv 3×3, BN, ReLU, conv 3×3.

    The shortcut: nearest ×2, conv 1×1.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = make_norm(width, num_classes), make_norm(width, num_classes)
        self.conv1, self.conv2 = biased_conv(width, width, 3), biased_conv(width, width, 3)
        self.shortcut = biased_conv(width, width, 1, GLOROT)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        hidden = repeat_and_convolve(torch.relu(self.norm1(x, labels)), self.conv1)
        hidden = self.conv2(torch.relu(self.norm2(hidden, labels)))
        return hidden + repeat_and_convolve(x, self.shortcut)


@register_generator("resnet")
class ResnetGenerator(nn.Module):
    """CT-GAN's own generator: linear, `num_stages` residual up blocks, BN, ReLU, conv 3×3, tanh.

    1,204,483 parameters at width 128, noise size 128, base size 4, three stages, three channels.
    """

    def __init__(
        self, *, width: int, noise_size: int, base_size: int, num_stages: int, channels: int, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.first = FirstMap(noise_size, width, base_size)
        self.blocks = nn.ModuleList(UpBlock(width, num_classes) for _ in range(num_stages))
        self.norm = make_norm(width)
        self.to_image = biased_conv(width, channels, 3, GLOROT)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.last_maps(noise, labels)[1])

    def last_maps(self, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The map before the last block (N, width, H/2, W/2), and the one after it, which `head` takes."""
        before = x = self.first(noise)
        for block in self.blocks:
            before, x = x, block(x, labels)
        return before, x

    def head(self, x: Tensor) -> Tensor:
        """The image of the last map."""
        return torch.tanh(self.to_image(torch.relu(self.norm(x))))


@register_generator("dcgan")
class DcganGenerator(nn.Module):
    """DCGAN's generator (Radford et al. 2016): linear, then BN, ReLU, transposed conv 4×4 stride 2 per stage, tanh.

    `width` is that of the last feature map; every earlier one is twice as wide as the next. All batch norms are
    conditional: a single stage has only one.
    """

    def __init__(
        self, *, width: int, noise_size: int, base_size: int, num_stages: int, channels: int, num_classes: int = 0
    ) -> None:
        super().__init__()
        widths = [width * 2**k for k in reversed(range(num_stages))]
        self.first = FirstMap(noise_size, widths[0], base_size)
        self.norms = nn.ModuleList(make_norm(w, num_classes) for w in widths)
        self.deconvs = nn.ModuleList(
            started(nn.ConvTranspose2d(w, out, 4, stride=2, padding=1), gain)
            for w, out, gain in zip(widths, [*widths[1:], channels], [HE] * (num_stages - 1) + [GLOROT], strict=True)
        )

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.first(noise)
        for norm, deconv in zip(self.norms, self.deconvs, strict=True):
            x = deconv(torch.relu(norm(x, labels)))
        return torch.tanh(x)
