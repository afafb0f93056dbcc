"""The interface of pruning rules: values, their comparison, their report. `--search.prune` names a rule.

To add one, put a subclass of `Rule` with `@register_rule("its-name")` into a module of this room.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from degas.data.loader import Batches
from degas.nas.decide.capped import Budget, prune_capped
from degas.nas.signal import Signal
from degas.nas.supernet.supernet import Supernet
from degas.runtime.registry import Registry
from degas.settings.sections import SearchSettings
from degas.space.graph import Edge, SearchSpace
from degas.space.pruning import Alpha, Compare, Left, choices, decisions, prune

RULES: Registry[type[Rule]] = Registry("pruning rule")
RuleClass = TypeVar("RuleClass", bound="type[Rule]")


def register_rule(name: str) -> Callable[[RuleClass], RuleClass]:
    """Register a subclass of `Rule` as `--search.prune NAME`."""

    def register(rule: RuleClass) -> RuleClass:
        RULES.add(name, rule)
        return rule

    return register


@dataclass(frozen=True)
class Searched:
    """The state of a finished search, for its rule.

    Args:
        supernet, signal: their state after `step` steps; the signal gives the loss.
        batches: of the images that α was fitted to, in a separate order.
        weight_batches: of the steps on the weights; the next one is that of `step`.
        cost_shares: of each edge's operations (`penalties.cost_shares`): the search's loss contains `cost_weight` times
            the cost of the mix; empty if it does not.
    """

    supernet: Supernet
    signal: Signal
    batches: Batches
    weight_batches: Batches
    step: int
    cost_shares: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Values:
    """`compared`: edge name → operation name → value, larger is better; `told`: further entries of pruning.json."""

    compared: Alpha
    told: Mapping[str, Any] = field(default_factory=dict)


class Rule(ABC):
    """Chooses an architecture by values of its operations. By default the paper's two stages compare them.

    Args:
        settings: of the search, including `compare` and `zero_rule`.
        space: the search space.
        budget: the caps on size, if there are any.

    Attributes:
        measured: the condition of the measured losses, in words; empty if the values are α.
        needs_mix: whether the values depend on the mix of an edge's operations.
        decides_singly: whether it makes one decision after the other, so that a polish can change one.
    """

    measured: ClassVar[str] = ""
    needs_mix: ClassVar[bool] = False
    decides_singly: ClassVar[bool] = True

    def __init__(self, settings: SearchSettings, space: SearchSpace, budget: Budget | None = None) -> None:
        self.settings, self.space, self.budget = settings, space, budget

    @classmethod
    def conflict(cls, settings: SearchSettings) -> str | None:
        """Return the reason why the rule excludes the other settings, in one line, or None."""
        return None

    @abstractmethod
    def values(self, searched: Searched) -> Values:
        """Return the values that the rule compares. Called once and last, since it may change the supernet."""

    def read(self, pruning: Mapping[str, Any], alpha: Alpha) -> Alpha:
        """The compared values of a finished search, from its pruning.json and its last α."""
        found: Alpha = pruning.get("values", alpha)
        return found

    @property
    def compare(self) -> Compare:
        """The comparison of values of different edges (`pruning.prune`)."""
        return self.settings.compare

    @property
    def decided_by(self) -> str:
        """The deciding values in words, for reports; "" if edges are not decided one by one."""
        return f"the loss {self.measured}" if self.measured else f"the values of {self.settings.prune}"

    @property
    def comparison(self) -> dict[str, Any]:
        return {"compare": self.compare, "zero_rule": self.settings.zero_rule}

    def keep(self, values: Alpha) -> tuple[Edge, ...]:
        """The edges of the architecture, within the budget. Raises `UserError` if they make no generator."""
        if self.budget is None:
            return prune(values, self.space, **self.comparison)
        return prune_capped(values, self.space, self.budget, **self.comparison)

    def report(self, values: Alpha, told: Mapping[str, Any] | None = None, left: Left | None = None) -> dict[str, Any]:
        """The object of pruning.json: every decision with its margin, the changes by the cap, and who has left."""
        made = decisions(values, self.space, **self.comparison, left=left or {})
        found = [{"name": one.name, **vars(one)} for one in made]
        report: dict[str, Any] = {"rule": self.settings.prune, **self.comparison, "decisions": found}
        report |= self.beside(report["decisions"], values)
        if self.budget is not None:
            report["cap"] = self._cap_report(values, self.budget)
        said = {"measured": self.measured, "decided_by": self.decided_by}
        report |= {**(told or {}), **{name: words for name, words in said.items() if words or name == "decided_by"}}
        return {**report, "values": values, **({"left": left} if left else {})}

    def beside(self, found: list[dict[str, Any]], values: Alpha) -> dict[str, Any]:
        """Return further entries of the report, which may replace the decisions."""
        return {}

    def _cap_report(self, values: Alpha, budget: Budget) -> dict[str, Any]:
        """The caps, the architecture's cost with and without them, and the decisions that they changed."""
        capped = prune_capped(values, self.space, budget, **self.comparison)
        freely = prune(values, self.space, **self.comparison)
        chosen, otherwise = choices(capped, self.space), choices(freely, self.space)
        return {
            "max_params": budget.max_params,
            "max_macs": budget.max_macs,
            **vars(budget.cost(capped)),
            "without_cap": vars(budget.cost(freely)),
            "changed": {name: choice for name, choice in chosen.items() if choice != otherwise[name]},
        }


def find_rule(settings: SearchSettings) -> type[Rule]:
    """The rule class that the settings name; raises `UserError` if there is none."""
    return RULES.find(settings.prune, "--search.prune")


def make_rule(settings: SearchSettings, space: SearchSpace, budget: Budget | None = None) -> Rule:
    """The rule that the settings name; raises `UserError` if there is none."""
    return find_rule(settings)(settings, space, budget)
