"""The best architecture by the paper's rule among those within a cap on parameters or multiply-adds.

Pruning (paper §3.2) decides node by node: it keeps the direct operation with the largest α, and the residual operation
with the largest α if that exceeds the best direct one. So the result maximises the sum of values over all decisions,
where "no residual edge" has the value of the best direct operation. Under a cap the same sum is maximised over the
architectures within it; a cap that excludes nothing changes nothing. Costs add up over edges and decisions of nodes are
independent, so the maximum is found exactly, node by node: only the partial choices remain that no other one beats in
value and in every capped cost. Our choice; the paper has no cap.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from degas.errors import UserError
from degas.nets.cost import Cost, frame_cost, slot_costs
from degas.space.architecture import Architecture
from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import Alpha, Compare, ZeroRule, node_options, prune


@dataclass(frozen=True)
class Budget:
    """The cost of every choice, and the caps on an architecture's total cost.

    `frame` is the cost of the parts of every architecture; `costs` is slot name → operation name → cost. None: no cap.
    """

    frame: Cost
    costs: Mapping[str, Mapping[str, Cost]]
    max_params: int | None = None
    max_macs: int | None = None

    @classmethod
    def of(cls, space: SearchSpace, sizes: Architecture, max_params: int | None, max_macs: int | None) -> Budget:
        """The costs in `space` for generators with the sizes of `sizes`."""
        costs = slot_costs(space, base_size=sizes.base_size, width=sizes.width, separable_order=sizes.separable_order)
        return cls(frame_cost(sizes), costs, max_params, max_macs)

    @property
    def is_capped(self) -> bool:
        return self.max_params is not None or self.max_macs is not None

    def cost(self, edges: Iterable[Edge]) -> Cost:
        """The cost of the whole generator."""
        return self.frame + self.edges_cost(edges)

    def edges_cost(self, edges: Iterable[Edge]) -> Cost:
        costs = (self.costs[f"{edge.source}->{edge.target}"][edge.operation] for edge in edges)
        return sum(costs, Cost(0, 0))

    def allows(self, cost: Cost) -> bool:
        within_params = self.max_params is None or cost.num_parameters <= self.max_params
        return within_params and (self.max_macs is None or cost.multiply_adds <= self.max_macs)


def prune_capped(
    alpha: Alpha, space: SearchSpace, budget: Budget, *, compare: Compare = "raw", zero_rule: ZeroRule = "drops_edge"
) -> tuple[Edge, ...]:
    """The edges with the largest sum of values within the budget; those of `prune` if they are within it.

    Among equal sums the cheaper one is kept (parameters, then multiply-adds), then the first in the fixed order. Raises
    `UserError` with the smallest architecture if nothing is within the budget.
    """
    freely = prune(alpha, space, compare=compare, zero_rule=zero_rule)
    if budget.allows(budget.cost(freely)):
        return freely
    stages = [node_choices(alpha, space, node, compare, zero_rule) for node in space.searched_nodes]
    found = best_within(stages, budget, space.prefix)
    if found is None:
        raise UserError(_nothing_fits(space, budget))
    return found


def check_budget(space: SearchSpace, budget: Budget) -> None:
    """Raise `UserError` if no architecture of the space is within the budget, whatever α is."""
    prune_capped({s.name: dict.fromkeys(space.operations(s), 0.0) for s in space.searched_slots}, space, budget)


def cheapest(space: SearchSpace, budget: Budget, measure: str) -> tuple[Edge, ...]:
    """The architecture with the least `num_parameters` or `multiply_adds`: the cheapest direct edges, none residual."""
    edges = list(space.prefix)
    for node in space.searched_nodes:
        slot = space.incoming(node)[0]
        costs = budget.costs[slot.name]
        name = min(space.operations(slot), key=lambda name: getattr(costs[name], measure))
        edges.append(Edge(slot.source, node, name))
    return tuple(edges)


def costliest(space: SearchSpace, budget: Budget, measure: str) -> tuple[Edge, ...]:
    """The architecture with the most of it: at every node the costliest direct edge, and the costliest residual one."""
    edges = list(space.prefix)
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        for slots in [[direct], *([residual] if residual else [])]:
            options = [Edge(s.source, node, name) for s in slots for name in space.operations(s) if name != ZERO]
            edges.append(max(options, key=lambda edge: getattr(budget.edges_cost([edge]), measure)))
    return tuple(edges)


@dataclass(frozen=True)
class _Choice:
    """Some edges, the sum of their decisions' values, and their cost."""

    value: float
    cost: Cost
    edges: tuple[Edge, ...]

    def __add__(self, other: _Choice) -> _Choice:
        return _Choice(self.value + other.value, self.cost + other.cost, self.edges + other.edges)


def node_choices(
    alpha: Alpha, space: SearchSpace, node: str, compare: Compare, zero_rule: ZeroRule
) -> list[tuple[float, tuple[Edge, ...]]]:
    """Return the choices of edges at `node`, each with the sum of its two decisions' values."""
    firsts, seconds = node_options(alpha, space, node, compare=compare, zero_rule=zero_rule)
    return [
        (first_value + second_value, (first,) if second is None else (first, second))
        for first, first_value in firsts
        for second, second_value in seconds
    ]


def best_within(
    stages: list[list[tuple[float, tuple[Edge, ...]]]], budget: Budget, given: tuple[Edge, ...] = ()
) -> tuple[Edge, ...] | None:
    """The edges with the largest sum of values, one choice per stage, within the budget; None if nothing fits.

    The `given` edges come first, and the budget pays for them.
    """
    nothing = Cost(0, 0)
    choices = [
        _front([_Choice(value, budget.edges_cost(edges), edges) for value, edges in stage], budget) for stage in stages
    ]
    least = [
        Cost(min(c.cost.num_parameters for c in stage), min(c.cost.multiply_adds for c in stage)) for stage in choices
    ]
    front = [_Choice(0.0, budget.frame + budget.edges_cost(given), given)]
    for number, stage in enumerate(choices):
        still_to_come = sum(least[number + 1 :], nothing)
        longer = [before + choice for before in front for choice in stage]
        front = _front([choice for choice in longer if budget.allows(choice.cost + still_to_come)], budget)
    return front[0].edges if front else None


def _front(choices: list[_Choice], budget: Budget) -> list[_Choice]:
    """Return the choices that no other one matches or beats in value and in every capped cost, best value first.

    A staircase holds the capped costs of the choices so far: first costs ascending, second costs descending.
    """

    def capped(cost: Cost) -> tuple[int, int]:
        first = cost.num_parameters if budget.max_params is not None else 0
        return first, cost.multiply_adds if budget.max_macs is not None else 0

    kept: list[_Choice] = []
    stairs: list[tuple[int, int]] = []
    order = sorted(choices, key=lambda c: (-c.value, c.cost.num_parameters, c.cost.multiply_adds))  # stable
    for choice in order:
        costs = capped(choice.cost)
        place = bisect.bisect_right(stairs, (costs[0], math.inf))
        if place and stairs[place - 1][1] <= costs[1]:
            continue  # a better choice costs no more
        kept.append(choice)
        end = place
        while end < len(stairs) and stairs[end][1] >= costs[1]:
            end += 1
        start = place - 1 if place and stairs[place - 1][0] == costs[0] else place
        stairs[start:end] = [costs]
    return kept


def _nothing_fits(space: SearchSpace, budget: Budget) -> str:
    least_params = budget.cost(cheapest(space, budget, "num_parameters")).num_parameters
    least_macs = budget.cost(cheapest(space, budget, "multiply_adds")).multiply_adds
    if budget.max_params is not None and least_params > budget.max_params:
        return (
            f"search: no architecture has at most {budget.max_params:,} parameters; the smallest has {least_params:,}; "
            f"raise --max-params or lower --search.width"
        )
    if budget.max_macs is not None and least_macs > budget.max_macs:
        return (
            f"search: no architecture takes at most {budget.max_macs:,} multiply-adds; the smallest takes "
            f"{least_macs:,}; raise --max-macs or lower --search.width"
        )
    return (
        f"search: no architecture has at most {budget.max_params:,} parameters and at most {budget.max_macs:,} "
        f"multiply-adds at once, though {least_params:,} and {least_macs:,} are possible one by one; raise either cap"
    )
