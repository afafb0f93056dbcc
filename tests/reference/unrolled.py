"""The second-order gradient of α without approximation: autograd through one written-out step of SGD."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def exact_gradient(
    weight_loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
    alpha_loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    *,
    lr: float,
    momentum: float,
    decay: float,
    momenta: Sequence[Tensor],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Losses are functions of (weights, alphas). Returns the loss at the unrolled weights, and the gradients of α."""
    gradients = torch.autograd.grad(weight_loss(weights, alphas), weights, create_graph=True)
    unrolled = [
        weight - lr * (gradient + decay * weight + momentum * moment)
        for weight, gradient, moment in zip(weights, gradients, momenta, strict=True)
    ]
    loss = alpha_loss(unrolled, alphas)
    return loss.detach(), torch.autograd.grad(loss, alphas)
