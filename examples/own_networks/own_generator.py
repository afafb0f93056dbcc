"""A generator of your own, trained like any other.

degas train --import own_generator.py --architecture upsampler --data digits --out runs/own-generator
"""

from torch import Tensor, nn

import degas


def up(width: int) -> nn.Module:
    """BN, ReLU, nearest ×2, conv 3×3: (N, C, H, W) → (N, C, 2H, 2W)."""
    conv = nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Upsample(scale_factor=2), conv)


@degas.register_generator("upsampler")
class Upsampler(nn.Module):
    def __init__(self, *, width: int, noise_size: int, base_size: int, num_stages: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(noise_size, width * base_size**2)
        self.shape = (width, base_size, base_size)
        self.stages = nn.Sequential(*(up(width) for _ in range(num_stages)))
        self.to_image = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        return self.to_image(self.stages(self.first(noise).unflatten(1, self.shape))).tanh()
