"""A generator that normalises parts of a batch apart, as on several devices."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InParts(nn.Module):
    """A generator whose batch norms take their statistics over each of `num_parts` parts of the batch.

    So do CT-GAN's on two devices. The running statistics move once a part.
    """

    def __init__(self, generator: nn.Module, num_parts: int) -> None:
        super().__init__()
        self.generator, self.num_parts = generator, num_parts

    def forward(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        parts = noise.chunk(self.num_parts)
        part_labels = [None] * len(parts) if labels is None else labels.chunk(self.num_parts)
        return torch.cat([self.generator(*part) for part in zip(parts, part_labels, strict=True)])
