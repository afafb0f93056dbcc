"""The mixing weights of an edge from α: one place for temperature, noise, masks and the gain of a masked mix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixing:
    """α (K,) → mixing weights (K,), which sum to `gain`: gain · softmax((α + noise) / temperature) over the kept ones.

    Without arguments it is softmax(α), the paper's equation 1.

    Args:
        temperature: above 0; below 1 it raises the weight of the largest α.
        noise: (K,) or None, added to α.
        keep: for each operation whether it is kept, or None for all. The others have weight 0, and the kept ones share
            theirs in proportion. If none is kept all weights are 0: the edge vanishes.
        gain: factor of all weights; other than 1 only while a rule measures operations at the scale of the mix.
    """

    temperature: float = 1.0
    noise: Tensor | None = None
    keep: tuple[bool, ...] | None = None
    gain: float = 1.0

    def __call__(self, alpha: Tensor) -> Tensor:
        weights = self.shares(alpha)
        return weights if self.gain == 1.0 else self.gain * weights

    def shares(self, alpha: Tensor) -> Tensor:
        """The weights without `gain`; they sum to 1, or to 0 if no operation is kept."""
        logits = alpha if self.noise is None else alpha + self.noise
        if self.temperature != 1.0:
            logits = logits / self.temperature
        if self.keep is None or all(self.keep):
            return torch.softmax(logits, dim=0)
        if not any(self.keep):
            return 0.0 * logits
        # Before the softmax, so that masking the operation with all the weight gives no 0/0.
        masked = ~torch.tensor(self.keep, device=logits.device)
        return torch.softmax(logits.masked_fill(masked, -torch.inf), dim=0)
