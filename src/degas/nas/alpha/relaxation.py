"""The parts of the mixing weights that depend on a search's progress, temperature and Gumbel noise, and α's gradient.

Gumbel-softmax (Jang et al. 2017; used for α by SNAS and GDAS): softmax((α + g)/τ) with g = −log(−log u), u uniform, a
sample that is nearly one-hot for low τ. Each forward pass of a search step has its own noise, a pure function of
(seed, step, purpose) that is equal on every rank. Logged and pruned weights have no noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from degas.nas.settings import CompleteSearch
from degas.nas.supernet.mixing import Mixing
from degas.nas.supernet.supernet import Supernet
from degas.runtime.rng import torch_generator
from degas.runtime.transfer import to_device


class Relaxation:
    """Sets the `mixing_rule` of every searched edge of a supernet during a search, and makes α's gradient and step.

    This one mixes all operations; `nas.alpha.paths` has those that sample some.
    """

    def __init__(self, supernet: Supernet, settings: CompleteSearch, *, total_steps: int, seed: int) -> None:
        self.supernet, self.settings = supernet, settings
        self.total_steps, self.seed = total_steps, seed

    def temperature(self, step: int) -> float:
        """τ after `step` finished steps: from `temperature` to `temperature_end` in equal ratios."""
        start, end = self.settings.temperature, self.settings.temperature_end
        return start * (end / start) ** (step / self.total_steps)

    def draw(self, step: int, purpose: str) -> None:
        """Set the mixing for a forward pass of search step `step`, with new noise if the relaxation has any."""
        noises: list[Tensor | None] = [None] * len(self.supernet.space.searched_slots)
        if self.settings.relaxation == "gumbel":
            generator = torch_generator(self.seed, f"gumbel {purpose}", step)
            noises = [gumbel(alpha, generator) for alpha in self.supernet.edge_alphas()]
        temperature = self.temperature(step)
        for slot, noise in zip(self.supernet.space.searched_slots, noises, strict=True):
            edge = self.supernet.edge(slot)
            edge.mixing_rule = Mixing(temperature, noise, keep=edge.remaining, computed=edge.remaining)

    def rest(self, step: int) -> None:
        """Set the mixing after `step` finished steps: no noise, the temperature of that step."""
        for slot in self.supernet.space.searched_slots:
            edge = self.supernet.edge(slot)
            edge.mixing_rule = Mixing(self.temperature(step), keep=edge.remaining, computed=edge.remaining)

    def finish(self, step: int) -> None:
        """Set the mixing by which a search of `step` steps is shown and measured."""
        self.rest(step)

    def gradient(self, loss_of: Callable[[], Tensor], reduce: Callable[[list[Tensor]], None]) -> Tensor:
        """Put the gradient of the loss on α and return the detached loss; `reduce` averages over the ranks in place."""
        loss = loss_of()
        loss.backward()
        return loss.detach()

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step α by its gradient."""
        optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search needs besides α, seed and step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise with shape and device of `like`; drawn on the CPU, so that all devices get the same."""
    uniform = torch.rand(like.shape, generator=generator, dtype=torch.float64)
    tiny = torch.finfo(torch.float64).tiny  # u = 0 would be −∞
    return to_device(-torch.log(-torch.log(uniform.clamp(min=tiny))).to(like.dtype), like.device)
