"""A pruning rule: its values, how they compare, how they are reported. `--search.prune` names one.

To add one, write a module of this room with a subclass of `Rule` under `@register_rule("its-name")`.
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
from degas.space.pruning import Alpha, Compare, choices, decisions, prune

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
        supernet, signal: as they are after `step` steps; the signal says how good images are.
        batches: of the images that α was fitted to, in an order of their own.
        weight_batches: of the steps on the weights; the next one is that of `step`.
        cost_shares: of each edge's operations (`penalties.cost_shares`): `cost_weight` times the cost of the mix is
            part of the search's loss; empty for no such part.
    """

    supernet: Supernet
    signal: Signal
    batches: Batches
    weight_batches: Batches
    step: int
    cost_shares: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Values:
    """`compared`: edge name → operation name → value, more being better; `told`: further entries of pruning.json."""

    compared: Alpha
    told: Mapping[str, Any] = field(default_factory=dict)


class Rule(ABC):
    """A choice of an architecture by values of its operations. By default the paper's two stages compare them.

    Args:
        settings: of the search; `compare` and `zero_rule` among them.
        space: what there is to choose from.
        budget: the caps on size, if there are any.

    Attributes:
        measured: what the loss is measured with, in words, where the values are losses; empty where they are α.
    """

    measured: ClassVar[str] = ""

    def __init__(self, settings: SearchSettings, space: SearchSpace, budget: Budget | None = None) -> None:
        self.settings, self.space, self.budget = settings, space, budget

    @classmethod
    def conflict(cls, settings: SearchSettings) -> str | None:
        """Return the reason why the rule excludes the other settings, in one line, or None."""
        return None

    @abstractmethod
    def values(self, searched: Searched) -> Values:
        """Return the values that the rule compares. Called once, last of all: it may change the supernet."""

    def read(self, pruning: Mapping[str, Any], alpha: Alpha) -> Alpha:
        """The compared values of a finished search, from its pruning.json and its last α."""
        found: Alpha = pruning.get("values", alpha)
        return found

    @property
    def compare(self) -> Compare:
        """The way to compare values of different edges (`pruning.prune`)."""
        return self.settings.compare

    @property
    def decided_by(self) -> str:
        """The reason of the decisions in words, for the reports; "" where the edges are not decided like that."""
        return f"the loss {self.measured}" if self.measured else f"the values of {self.settings.prune}"

    @property
    def comparison(self) -> dict[str, Any]:
        return {"compare": self.compare, "zero_rule": self.settings.zero_rule}

    def keep(self, values: Alpha) -> tuple[Edge, ...]:
        """The edges of the architecture, within the budget. Raises `UserError` where they make no generator."""
        if self.budget is None:
            return prune(values, self.space, **self.comparison)
        return prune_capped(values, self.space, self.budget, **self.comparison)

    def report(self, values: Alpha, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The object of pruning.json: every decision with its margin, and what the cap changed of them."""
        found = [{"name": one.name, **vars(one)} for one in decisions(values, self.space, **self.comparison)]
        report: dict[str, Any] = {"rule": self.settings.prune, **self.comparison, "decisions": found}
        report |= self.beside(report["decisions"], values)
        if self.budget is not None:
            report["cap"] = self._cap_report(values, self.budget)
        said = {"measured": self.measured, "decided_by": self.decided_by}
        report |= {**(told or {}), **{name: words for name, words in said.items() if words or name == "decided_by"}}
        return {**report, "values": values}

    def beside(self, found: list[dict[str, Any]], values: Alpha) -> dict[str, Any]:
        """Return entries of the report beside the decisions, or in place of them."""
        return {}

    def _cap_report(self, values: Alpha, budget: Budget) -> dict[str, Any]:
        """The caps, what the architecture costs within them and would without, and the decisions they changed."""
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
    """The class of rules that the settings name; raises `UserError` where there is none."""
    return RULES.find(settings.prune, "--search.prune")


def make_rule(settings: SearchSettings, space: SearchSpace, budget: Budget | None = None) -> Rule:
    """The rule that the settings name; raises `UserError` where there is none."""
    return find_rule(settings)(settings, space, budget)
