"""A critic of your own, for any objective that does not compare features.

degas train --import own_critic.py --gan.critic plain --architecture resnet --data digits --out runs/own-critic
"""

from torch import Tensor, nn

import degas


@degas.register_critic("plain")
class PlainCritic(nn.Module):
    """Two strided convolutions with leaky ReLU, the spatial mean, a linear layer. No batch norm."""

    def __init__(self, *, width: int, channels: int, output_size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear(2 * width, output_size)

    def forward(self, images: Tensor) -> degas.CriticOutput:
        scores = self.score(self.body(images).mean((2, 3)))  # (N, output_size)
        return degas.CriticOutput(scores.squeeze(1))  # (N,) where a score is one number
