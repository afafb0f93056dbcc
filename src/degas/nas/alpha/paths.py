"""A search that samples one operation per edge in each step and computes only that: three estimators of α's gradient.

A path is one operation for every α: for every edge, or with shared stages for every role of an edge. It is drawn from
softmax(α) in every forward pass, as a function of (seed, step, purpose) and α, so that a resumed search draws the same.
Operations outside it are not computed, and their weights do not move: memory is that of one path (two with `two-path`).

The controller is a factorised policy, softmax(α) on every edge by itself. ENAS and AutoGAN have a recurrent one, whose
choices depend on each other; with one policy all estimators differ in nothing else. Our choice.

A draw waits for the device once: the host must know α to know what to compute.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from degas.nas.alpha.relaxation import Relaxation, gumbel
from degas.nas.supernet.mixing import Mixing, PathMixing
from degas.runtime.rng import torch_generator
from degas.runtime.transfer import to_device
from degas.settings.sections import SearchSettings

BASELINE_DECAY = 0.9  # our choice: the loss falls quickly, and a longer memory would lag behind


class Paths(Relaxation):
    """The base of the three estimators."""

    def draw(self, step: int, purpose: str) -> None:
        """Set a new path for a forward pass; `purpose`: `weights`, or `alpha` if α has its own pass."""
        generator = torch_generator(self.seed, f"path {purpose}", step)
        moves_alpha = self.settings.train_alpha and (purpose == "alpha" or self.settings.schedule == "joint")
        alphas = self.supernet.alphas()
        host = torch.cat([alpha.detach() for alpha in alphas]).cpu().split([len(alpha) for alpha in alphas])
        for slots, alpha in zip(self.supernet.space.roles.values(), host, strict=True):
            rule = self.rule(alpha, generator, step) if moves_alpha else drawn_alone(alpha, generator)
            for slot in slots:
                self.supernet.edge(slot).mixing_rule = rule

    @abstractmethod
    def rule(self, alpha: Tensor, generator: torch.Generator, step: int) -> Mixing:
        """The rule of an edge in a pass that α learns from; `alpha` (K,) is on the host."""

    def finish(self, step: int) -> None:
        """Set the most probable path: the supernet's weights have never learned as a mix."""
        for slot in self.supernet.space.searched_slots:
            edge = self.supernet.edge(slot)
            best = int(edge.alpha.argmax())
            edge.mixing_rule = Mixing(self.temperature(step), keep=one_of(len(edge.names), best))

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step α; an edge whose operation is `zero` has a gradient of 0."""
        for alpha in self.supernet.alphas():
            if alpha.grad is None:
                alpha.grad = torch.zeros_like(alpha)
        super().step(optimizer)


class GumbelPaths(Paths):
    """Straight-through Gumbel-softmax, the gradient through the sampled operation alone, as in GDAS (2019).

    With p = softmax((α + g)/τ) and k = argmax(α + g): ∂L/∂α ≈ ∂L/∂w_k · ∂p_k/∂α, with ∂L/∂w_k at w_k = 1.
    """

    def rule(self, alpha: Tensor, generator: torch.Generator, step: int) -> Mixing:
        noise = gumbel(alpha, generator)
        active = int((alpha + noise).argmax())
        noise = to_device(noise, self.supernet.alphas()[0].device)
        return PathMixing(self.temperature(step), noise, computed=one_of(len(alpha), active), active=active)


class TwoPaths(Paths):
    """Binary gates of two sampled paths, as in ProxylessNAS (Cai et al. 2019, §3.2).

    Two operations are drawn without replacement, and one of them is active, by the softmax p of their α. With o_j the
    map of operation j: ∂L/∂α_i ≈ Σ_j ∂L/∂g_j · p_j(δ_ij − p_i) over the two, ∂L/∂g_j = ⟨∂L/∂o, o_j⟩. After the step
    both are shifted so that the probabilities of all others stay.
    """

    def rule(self, alpha: Tensor, generator: torch.Generator, step: int) -> Mixing:
        pair = (alpha + gumbel(alpha, generator)).topk(min(2, len(alpha))).indices  # Gumbel-max, without replacement
        active = int(pair[draw_operation(alpha[pair], generator)])
        both = one_of(len(alpha), *pair.tolist())
        return PathMixing(keep=both, computed=both, active=active)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step the two operations of every α; Adam's moments would move the others as well."""
        before = [alpha.detach().clone() for alpha in self.supernet.alphas()]
        super().step(optimizer)
        for slots, alpha, old in zip(self.supernet.space.roles.values(), self.supernet.alphas(), before, strict=True):
            keep = self.supernet.edge(slots[0]).mixing_rule.keep
            assert keep is not None
            with torch.no_grad():
                alpha.copy_(moved_pair(old, alpha, to_device(torch.tensor(keep), alpha.device)))


class Reinforce(Paths):
    """REINFORCE (Williams 1992) with a moving baseline, as in ENAS and AutoGAN: ∂E[L]/∂α ≈ (L − b) · ∂log p(path)/∂α.

    The baseline b is a moving mean of the losses before this one, so that the estimate is unbiased. There is no term
    for the entropy. Our choice.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        device = self.supernet.alphas()[0].device
        self.baseline = torch.full((), torch.nan, dtype=torch.float64, device=device)  # nan before the first loss

    def rule(self, alpha: Tensor, generator: torch.Generator, step: int) -> Mixing:
        return drawn_alone(alpha, generator)

    def gradient(self, loss_of: Callable[[], Tensor], reduce: Callable[[list[Tensor]], None]) -> Tensor:
        """Put the estimate on α; `loss_of` is computed without gradients, and `reduce` averages over the ranks."""
        with torch.no_grad():
            loss = loss_of()
        mean = loss.double()
        reduce([mean])  # the policy is one, and so is its loss
        baseline = torch.where(self.baseline.isnan(), mean, self.baseline)
        self.baseline = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * mean
        for slots, alpha in zip(self.supernet.space.roles.values(), self.supernet.alphas(), strict=True):
            gate = self.supernet.edge(slots[0]).mixing_rule(alpha.detach())  # one-hot
            alpha.grad = (mean - baseline).to(alpha.dtype) * (gate - torch.softmax(alpha.detach(), dim=0))
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"baseline": self.baseline}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.baseline.copy_(state["baseline"])


ESTIMATORS: dict[str, type[Relaxation]] = {
    "all": Relaxation,
    "gumbel": GumbelPaths,
    "two-path": TwoPaths,
    "reinforce": Reinforce,
}


def conflict(settings: SearchSettings) -> str | None:
    """Return the reason why sampled paths exclude the other settings, or None."""
    if settings.paths == "all":
        return None
    if settings.order == "second":
        return "needs a gradient through one step on the weights of all operations; leave out --search.order second"
    if settings.relaxation == "gumbel":
        return "samples by itself, and --search.relaxation gumbel mixes all operations; leave out one of them"
    if settings.paths != "gumbel" and (settings.temperature != 1.0 or settings.temperature_end is not None):
        return "draws from softmax(α); leave out --search.temperature and --search.temperature-end"
    if settings.paths == "reinforce" and settings.schedule == "joint":
        return "learns from the loss of a step of its own; use --search.schedule alternate"
    return None


def one_of(count: int, *places: int) -> tuple[bool, ...]:
    """`count` flags, true at `places`."""
    return tuple(place in places for place in range(count))


def drawn_alone(alpha: Tensor, generator: torch.Generator) -> PathMixing:
    """The rule of one operation from softmax(α), without gradients for α."""
    active = draw_operation(alpha, generator)
    only = one_of(len(alpha), active)
    return PathMixing(keep=only, computed=only, active=active)


def draw_operation(alpha: Tensor, generator: torch.Generator) -> int:
    """An index from softmax(α), by the Gumbel-max trick."""
    return int((alpha + gumbel(alpha, generator)).argmax())


def moved_pair(old: Tensor, new: Tensor, moved: Tensor) -> Tensor:
    """α (K,) with the `moved` (K,) entries of `new`, shifted so that their Σ exp(α) stays, and the others of `old`.

    So the softmax of the others stays, and the moved ones share theirs anew (ProxylessNAS' rescaling).
    """
    masked = torch.tensor(-torch.inf, dtype=old.dtype, device=old.device)
    before, after = (torch.logsumexp(torch.where(moved, alpha, masked), dim=0) for alpha in (old, new))
    return torch.where(moved, new - (after - before), old)
