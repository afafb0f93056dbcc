"""The mixing weights of an edge from α: one place for temperature, noise, masks, sampled paths and gains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from degas.runtime.transfer import to_device


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
        computed: for each operation whether it is computed, or None for all. The others must have weight 0; they take
            no time and memory, and their weights get no gradient.
    """

    temperature: float = 1.0
    noise: Tensor | None = None
    keep: tuple[bool, ...] | None = None
    gain: float = 1.0
    computed: tuple[bool, ...] | None = None

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
        masked = ~to_device(torch.tensor(self.keep), logits.device)
        return torch.softmax(logits.masked_fill(masked, -torch.inf), dim=0)


@dataclass(frozen=True)
class PathMixing(Mixing):
    """A sampled path: weight 1 for the operation `active`, 0 for the others, with the gradients of `Mixing`'s weights.

    The gradient of α is that of the straight-through softmax over the kept operations, Σ_j ∂L/∂w_j · ∂p_j/∂α, in which
    ∂L/∂w_j of an operation that is not computed counts as 0.
    """

    active: int = 0

    def shares(self, alpha: Tensor) -> Tensor:
        soft = super().shares(alpha)
        gate = torch.zeros_like(soft)
        gate[self.active] = 1.0
        return gate + (soft - soft.detach())  # the bracket is 0, so the value is exactly that of the gate
