"""DARTS' second-order gradient of α: through one step of SGD on the weights. Liu et al. 2019, §2.3.

With w′(α) = w − ξ·(μ·m + ∇_w L_w(w, α) + λ·w), momentum m, momentum factor μ, weight decay λ and rate ξ:

    ∇_α L_α(w′, α) − ξ · ∇²_{α,w} L_w(w, α) · ∇_{w′} L_α(w′, α)

The product with the matrix is a difference of two gradients at w ± ε·∇_{w′} L_α, ε = 0.01/‖∇_{w′} L_α‖. Convolutions
and matrix products are in float32 for it: TF32, CUDA's default for convolutions, rounds the difference away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from degas.runtime.arithmetic import exact_float32
from degas.settings.sections import SearchSettings

LENGTH = 0.01  # length of the move of the weights in each direction (DARTS code)


@exact_float32()
def unrolled_gradient(
    weight_loss: Callable[[], Tensor],
    alpha_loss: Callable[[], Tensor],
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    *,
    lr: float,
    momentum: float,
    decay: float,
    momenta: Sequence[Tensor | None],
    reduce: Callable[[Sequence[Tensor]], None] = lambda gradients: None,
) -> tuple[Tensor, list[Tensor]]:
    """The loss of α at the unrolled weights, and the gradient of every α. The weights are restored to the bit.

    Args:
        weight_loss, alpha_loss: compute L_w and L_α with the current `weights` and `alphas`.
        weights, alphas: leaves that require gradients; the weights are moved in place and moved back.
        momenta: m of every weight, None for a weight without a step yet.
        reduce: averages gradients over the ranks, in place.
    """
    before = [weight.detach().clone() for weight in weights]
    gradients = torch.autograd.grad(weight_loss(), weights, materialize_grads=True)
    reduce(gradients)
    with torch.no_grad():
        for weight, gradient, moment in zip(weights, gradients, momenta, strict=True):
            step = gradient + decay * weight
            weight.sub_(lr * (step if moment is None else step + momentum * moment))
    loss = alpha_loss()
    found = torch.autograd.grad(loss, [*alphas, *weights], materialize_grads=True)
    straight, along = found[: len(alphas)], found[len(alphas) :]
    reduce(along)
    norm = torch.stack([gradient.norm() for gradient in along]).norm()
    epsilon = LENGTH / norm.clamp(min=1e-12)
    sides = []
    for side in (epsilon, -epsilon):
        _place(weights, before, along, side)
        sides.append(torch.autograd.grad(weight_loss(), alphas, materialize_grads=True))
    _place(weights, before)
    through = [(plus - minus) / (2 * epsilon) for plus, minus in zip(*sides, strict=True)]
    return loss.detach(), [first - lr * second for first, second in zip(straight, through, strict=True)]


@torch.no_grad()
def _place(
    weights: Sequence[Tensor],
    origin: Sequence[Tensor],
    along: Sequence[Tensor] | None = None,
    distance: Tensor | None = None,
) -> None:
    """Set weights = origin + distance · along, or to the origin itself."""
    for number, (weight, start) in enumerate(zip(weights, origin, strict=True)):
        weight.copy_(start if along is None or distance is None else start + distance * along[number])


def momenta_of(optimizer: torch.optim.Optimizer, weights: Sequence[Tensor]) -> list[Tensor | None]:
    """The momentum of every weight in SGD, None before its first step."""
    return [optimizer.state[weight].get("momentum_buffer") if weight in optimizer.state else None for weight in weights]


def conflict(settings: SearchSettings) -> str | None:
    """Return the reason why `order = second` excludes the other settings, or None."""
    if settings.order == "first":
        return None
    if settings.weight_optimizer != "sgd":
        return "unrolls a step of SGD, but the weights use Adam; add --search.weight-optimizer sgd and a rate for it"
    if settings.schedule == "joint":
        return "needs separate steps on α; use --search.schedule alternate"
    if settings.precision != "float32":
        return "takes differences that bfloat16 rounds away; use --search.precision float32"
    return None
