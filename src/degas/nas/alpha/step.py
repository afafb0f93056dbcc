"""The update of α: its optimiser, its rate, and the constants of the step. Paper §3.2, docs/equations.md."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.data.loader import Batch, Batches
from degas.nas.alpha.penalties import Penalties
from degas.nas.alpha.relaxation import Relaxation
from degas.nas.alpha.second_order import momenta_of, unrolled_gradient
from degas.nas.settings import CompleteSearch
from degas.nas.signal import Signal, total
from degas.nas.supernet.supernet import Supernet
from degas.nets.normalisation import frozen_buffers


class AlphaStep:
    """One Adam step on α per call, on its own batch; all weights, buffers and inputs are constant.

    Args:
        signal: the search signal; `signal.network` is `supernet`.
        batches: the batches of α; `alpha_batch = same` uses the weight step's batch instead.
        weight_batches: those of the weights, for `order = second`.
        relaxation, penalties: the mixing rule of α, and additional terms of its loss.
    """

    def __init__(
        self,
        supernet: Supernet,
        signal: Signal,
        settings: CompleteSearch,
        *,
        batches: Batches,
        weight_batches: Batches,
        relaxation: Relaxation,
        penalties: Penalties,
    ) -> None:
        self.supernet, self.signal, self.settings = supernet, signal, settings
        self.batches, self.weight_batches = batches, weight_batches
        self.relaxation, self.penalties = relaxation, penalties
        self.optimizer = torch.optim.Adam(
            supernet.alphas(),
            lr=settings.alpha_lr,
            betas=settings.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
            fused=True,
            capturable=True,
        )

    def batch(self, weight_batch: Batch, step: int) -> Batch:
        """Return the batch for α in search step `step`, which trains the weights on `weight_batch`."""
        other = self.settings.alpha_batch != "same" and self.settings.train_alpha
        return self.batches(step) if other else weight_batch

    def __call__(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step α in search step `step`, after the weights; return the loss's terms."""
        self.relaxation.draw(step, "alpha")
        self.require_gradients(weights=False, alphas=False)
        if self.settings.alpha_batch == "held_out":
            self.signal.adapt(batch, step)
        second = self.settings.order == "second"
        self.require_gradients(weights=second, alphas=True)
        with frozen_buffers(self.supernet):
            loss = self._second_order_loss(batch, step) if second else self._first_order_loss(batch)
        return {"alpha_loss": loss, **self.apply(step)}

    def _first_order_loss(self, batch: Batch) -> Tensor:
        """Put the first-order gradient on α, or its estimate from a path, and return the loss."""
        return self.relaxation.gradient(lambda: self._loss(batch), self.signal.engine.all_reduce_mean)

    def _second_order_loss(self, batch: Batch, step: int) -> Tensor:
        """Put the second-order gradient on α, through the next weight step on its batch (DARTS)."""
        next_batch, alphas = self.weight_batches(step + 1), self.supernet.alphas()
        loss, gradients = unrolled_gradient(
            lambda: self._loss(next_batch),
            lambda: self._loss(batch),
            self.signal.weights,
            alphas,
            lr=self.settings.weight_lr * self.signal.rate_share(step + 1),
            momentum=self.settings.weight_momentum,
            decay=self.settings.weight_decay,
            momenta=momenta_of(self.signal.optimizer, self.signal.weights),
            reduce=self.signal.engine.all_reduce_mean,
        )
        for alpha, gradient in zip(alphas, gradients, strict=True):
            alpha.grad = gradient
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        return total(self.signal.terms(self.signal.inputs(batch.index), batch))

    def apply(self, step: int) -> dict[str, Tensor]:
        """Add the penalties' gradients, average over the ranks and step α; return the penalties."""
        penalties = self.penalties.backward(step)
        self.signal.engine.all_reduce_mean([alpha.grad for alpha in self.supernet.alphas() if alpha.grad is not None])
        self.relaxation.step(self.optimizer)
        return penalties

    def require_gradients(self, *, weights: bool, alphas: bool) -> None:
        """Make autograd compute only the gradients that a step uses."""
        for weight in self.signal.weights:
            weight.requires_grad_(weights)
        for alpha in self.supernet.alphas():
            alpha.requires_grad_(alphas)
