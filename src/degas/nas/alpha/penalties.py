"""Additional terms in the loss of α: the expected cost, and the penalty of β-DARTS. Our options.

Both are functions of α alone, so their gradients cost almost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from degas.nas.decide.capped import Budget
from degas.nas.supernet.supernet import Supernet
from degas.nets.cost import Cost
from degas.settings.sections import SearchSettings

MEASURES = {"parameters": "num_parameters", "multiply-adds": "multiply_adds"}


class Penalties:
    """The penalty terms that `settings` switch on.

    Args:
        budget: the costs of operations; needed only with `cost_weight`.
    """

    def __init__(
        self,
        supernet: Supernet,
        settings: SearchSettings,
        *,
        total_steps: int,
        budget: Budget | None = None,
    ) -> None:
        self.supernet, self.settings, self.total_steps = supernet, settings, total_steps
        self.shares: list[Tensor] = []
        if settings.cost_weight and budget is not None:
            self.shares = cost_shares(supernet, budget.costs, MEASURES[settings.cost])

    def values(self) -> dict[str, Tensor]:
        """Each active term without its weight: `expected_cost` from 0 to 1, `alpha_logsumexp`."""
        found: dict[str, Tensor] = {}
        if self.settings.cost_weight:
            found["expected_cost"] = expected_cost(self.supernet.edge_alphas(), self.shares)
        if self.settings.beta_weight:
            found["alpha_logsumexp"] = mean_logsumexp(self.supernet.edge_alphas())
        return found

    def weights(self, step: int) -> dict[str, float]:
        """The weights of the terms in search step `step`; that of β-DARTS grows in proportion to the steps."""
        beta = self.settings.beta_weight * step / self.total_steps
        return {"expected_cost": self.settings.cost_weight, "alpha_logsumexp": beta}

    def backward(self, step: int) -> dict[str, Tensor]:
        """Add the gradients of the terms to α; return the terms' values."""
        values, weights = self.values(), self.weights(step)
        if values:
            torch.stack([weights[name] * value for name, value in values.items()]).sum().backward()
        return {name: value.detach() for name, value in values.items()}


def cost_shares(supernet: Supernet, costs: Mapping[str, Mapping[str, Cost]], measure: str) -> list[Tensor]:
    """For every searched edge the costs (K,) of its operations, as shares of the sum over edges of the largest cost.

    Shares make the weight of the expected cost independent of width, image size and unit.
    """
    space, device = supernet.space, supernet.alphas()[0].device
    rows = [
        [float(getattr(costs[s.name][name], measure)) for name in space.operations(s)] for s in space.searched_slots
    ]
    most = sum(max(row) for row in rows) or 1.0
    return [torch.tensor(row, device=device) / most for row in rows]


def expected_cost(alphas: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """Σ over edges of Σ_k softmax(α)_k · share_k, a scalar: the cost of an edge drawn by its mixing weights."""
    terms = [(torch.softmax(alpha, dim=0) * share).sum() for alpha, share in zip(alphas, shares, strict=True)]
    return torch.stack(terms).sum()


def mean_logsumexp(alphas: Sequence[Tensor]) -> Tensor:
    """The mean over edges of log Σ_k exp(α_k), a scalar: β-DARTS (Ye et al. 2022).

    Its gradient on an edge is softmax(α) over the number of edges, so it lowers the largest α most.
    """
    return torch.stack([torch.logsumexp(alpha, dim=0) for alpha in alphas]).mean()
