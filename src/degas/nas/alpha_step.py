"""The update of α: its optimiser, its rate, and what is held constant while it moves. Paper §3.2, spec §3."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.config import SearchSettings
from degas.data.loader import Batch, Batches
from degas.nas.glo import Glo
from degas.nas.supernet import Supernet
from degas.nets.normalisation import frozen_buffers


class AlphaStep:
    """One Adam step on α a call, on a batch of its own, whose latents, like all weights and buffers, are constants.

    Args:
        glo: the state that the search fits; `glo.network` is `supernet`.
        batches: the batches of α; with `alpha_batch = same` the weight step's batch is taken instead.
    """

    def __init__(self, supernet: Supernet, glo: Glo, settings: SearchSettings, batches: Batches) -> None:
        self.supernet, self.glo, self.settings, self.batches = supernet, glo, settings, batches
        self.optimizer = torch.optim.Adam(
            supernet.alphas(),
            lr=alpha_rate(settings, glo.total_steps),
            betas=settings.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
            fused=True,
        )

    def __call__(self, weight_batch: Batch, step: int) -> Tensor:
        """Step α in search step `step`, after the weights were stepped on `weight_batch`; returns the loss."""
        batch = weight_batch if self.settings.alpha_batch == "same" else self.batches(step)
        self.require_gradients(weights=False, alphas=False)
        if self.settings.alpha_batch == "held_out":  # or α would see nothing but latents that lag
            for _ in range(self.settings.held_out_latent_steps):
                self.glo.step_latents_only(batch, step)
        self.require_gradients(weights=False, alphas=True)
        latents = self.glo.table.rows[batch.index.to(self.glo.engine.device)]  # (B, d), no gradient
        with frozen_buffers(self.supernet):
            loss = torch.stack(list(self.glo.loss_terms(latents, batch.images).values())).sum()
        loss.backward()
        self.apply()
        return loss.detach()

    def apply(self) -> None:
        """Move α by the gradient that is there, the mean over the ranks."""
        self.glo.engine.all_reduce_mean([alpha.grad for alpha in self.supernet.alphas() if alpha.grad is not None])
        self.optimizer.step()

    def require_gradients(self, *, weights: bool, alphas: bool) -> None:
        """Let autograd compute only the gradients that a step uses."""
        for weight in self.glo.weights:
            weight.requires_grad_(weights)
        for alpha in self.supernet.alphas():
            alpha.requires_grad_(alphas)


def alpha_rate(settings: SearchSettings, total_steps: int) -> float:
    """Adam's rate for α. α moves at most rate·steps, so a short search needs a larger one: 3/steps, within bounds."""
    return settings.alpha_lr if settings.alpha_lr is not None else max(3e-4, min(3e-3, 3.0 / total_steps))
