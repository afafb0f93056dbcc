"""Candidates from a finished search, as a pure function of (its measurements, space, seed).

GLO must not rank families against each other, since it prefers kinds that do badly against a critic; it ranks within
families. A family restricts the order, the up edges, the residual edges and the normal edges; its best and second best
by the sum of the search's values over all decisions are found exactly (`nas.decide.capped`). Families take turns so
that each kind is about equally frequent, and uniform draws complete the set.

A search has one order. In the other one an edge has the values of the edge with the same role.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from degas.errors import UserError
from degas.nas.decide.capped import Budget, best_within, node_choices
from degas.space.architecture import Architecture
from degas.space.graph import Edge, Order, SearchSpace
from degas.space.pruning import Alpha, Compare, ZeroRule, node_options
from degas_lab.contest.candidates import Candidate, counterparts, normal_kind, orders_of, up_kind
from degas_lab.fits.evolution import draw

MEASURED = "as measured"  # no restriction
MAX_DRAWS = 20_000
Stage = list[tuple[float, tuple[Edge, ...]]]  # the choices of a node: value and edges


@dataclass(frozen=True)
class SearchResult:
    """The results of a finished search: values (larger is better), the rules of its pruning, and its architecture."""

    values: Alpha
    compare: Compare
    zero_rule: ZeroRule
    found: Architecture


@dataclass(frozen=True)
class Family:
    """One restriction of each kind; `MEASURED` restricts nothing."""

    order: Order
    up: str
    residual: str
    normal: str

    def allows(self, edges: Sequence[Edge]) -> bool:
        """Return whether a node may keep these edges: the direct one, and possibly a residual one."""
        ups = {up_kind(edge.operation) for edge in edges} - {""}
        normals = {normal_kind(edge.operation) for edge in edges} - {""}
        return (
            (self.residual == MEASURED or len(edges) == 1)
            and (self.up == MEASURED or ups <= {self.up})
            and (self.normal == MEASURED or normals <= {self.normal})
        )


class Proposer:
    """Makes candidates of `space` in both orders, at the sizes of the search's architecture, within `max_params`."""

    def __init__(self, search: SearchResult, space: SearchSpace, max_params: int | None = None) -> None:
        self.search, self.space, self.max_params = search, space, max_params
        self.spaces = {order: replace(space, order=order) for order in orders_of(space)}
        self.values = {order: self._values(order) for order in self.spaces}
        self.budgets = {
            order: Budget.of(moved_space, _sizes(search.found, order), max_params, None)
            for order, moved_space in self.spaces.items()
        }

    def families(self) -> list[Family]:
        """Every family of the space, in a fixed order."""
        ups = dict.fromkeys(up_kind(name) for name in self.space.up_operations)
        normals = dict.fromkeys(normal_kind(name) for name in self.space.normal_operations)
        levels = ([*ups, MEASURED], [MEASURED, "none"], [*normals, MEASURED])
        return [Family(order, *kinds) for order in self.spaces for kinds in itertools.product(*levels)]

    def best(self, family: Family) -> list[tuple[Edge, ...]]:
        """The best and the second best of a family, if they exist within the cap.

        Any other one differs from the best at some node, so the second best is found by forbidding, one node at a time,
        the best one's choice there.
        """
        stages, budget = self._stages(family), self.budgets[family.order]
        first = best_within(stages, budget) if all(stages) else None
        if first is None:
            return []
        others = [best_within(rest, budget) for rest in _without(stages, first) if all(rest)]
        seconds = [edges for edges in others if edges is not None]
        value = partial(self.value, family.order)
        return [first, max(seconds, key=value)] if seconds else [first]

    def value(self, order: Order, edges: Sequence[Edge]) -> float:
        """The sum of the search's values over all decisions."""
        space, total = self.spaces[order], 0.0
        for node in space.nodes[1:]:
            kept: set[Edge | None] = {edge for edge in edges if edge.target == node}
            rules = {"compare": self.search.compare, "zero_rule": "ignored"}  # a draw may keep edges that pruning drops
            firsts, seconds = node_options(self.values[order], space, node, **rules)  # type: ignore[arg-type]
            total += sum(value for edge, value in firsts if edge in kept)
            total += next((value for edge, value in seconds if edge in kept), seconds[0][1])
        return total

    def candidate(self, name: str, order: Order, edges: tuple[Edge, ...], proposed_by: str) -> Candidate:
        value, cost = round(self.value(order, edges), 9), self.budgets[order].cost(edges)
        return Candidate(name, order, edges, proposed_by, value, cost.num_parameters, cost.multiply_adds)

    def allows(self, order: Order, edges: tuple[Edge, ...]) -> bool:
        budget = self.budgets[order]
        return budget.allows(budget.cost(edges))

    def draws(self, seed: int, purpose: str = "contest draws") -> Iterator[tuple[Order, tuple[Edge, ...]]]:
        """Uniform draws of order and edges within the cap, out of `MAX_DRAWS` attempts."""
        rng = random.Random(f"degas {purpose} {seed}")
        for _ in range(MAX_DRAWS):
            order = rng.choice(list(self.spaces))
            edges = draw(self.spaces[order], rng)
            if self.allows(order, edges):
                yield order, edges

    def _values(self, order: Order) -> Alpha:
        roles = counterparts(self.space, order)
        return {roles[name].name: dict(of_slot) for name, of_slot in self.search.values.items()}

    def _stages(self, family: Family) -> list[Stage]:
        space, values = self.spaces[family.order], self.values[family.order]
        stages = [
            node_choices(values, space, node, self.search.compare, self.search.zero_rule) for node in space.nodes[1:]
        ]
        return [[choice for choice in stage if family.allows(choice[1])] for stage in stages]


def propose(
    proposer: Proposer,
    *,
    num_candidates: int,
    num_proposals: int,
    seed: int,
    shipped: Mapping[str, Architecture] | None = None,
) -> list[Candidate]:
    """The search's own result, those `shipped` that are in the space, proposals of families, then uniform draws."""
    found = proposer.search.found
    named = [(found.order, found.edges, "found")]
    named += [(other.order, other.edges, name) for name, other in (shipped or {}).items() if _fits(other, proposer)]
    wanted = itertools.chain(
        named,
        itertools.islice(_proposals(proposer, seed), num_proposals),
        ((order, edges, "draw") for order, edges in proposer.draws(seed)),
    )
    kept: dict[tuple[Order, tuple[Edge, ...]], str] = {}
    for order, edges, proposed_by in wanted:
        if len(kept) < num_candidates and proposer.allows(order, edges):
            kept.setdefault((order, edges), proposed_by)
        if len(kept) == num_candidates:
            break
    if len(kept) < 2:
        raise UserError("contest: fewer than two architectures are within the cap; raise --max-params")
    digits = len(str(num_candidates))
    return [
        proposer.candidate(f"c{number:0{digits}}", order, edges, proposed_by)
        for number, ((order, edges), proposed_by) in enumerate(kept.items(), 1)
    ]


def _proposals(proposer: Proposer, seed: int) -> Iterator[tuple[Order, tuple[Edge, ...], str]]:
    """The best of each family in turn, then the second best ones; none twice."""
    bests = [(family, proposer.best(family)) for family in in_turn(proposer.families(), seed)]
    seen: set[tuple[Order, tuple[Edge, ...]]] = set()
    for place, proposed_by in enumerate(("glo", "glo second")):
        for family, edges in bests:
            if place < len(edges) and (family.order, edges[place]) not in seen:
                seen.add((family.order, edges[place]))
                yield family.order, edges[place], proposed_by


def in_turn(families: Sequence[Family], seed: int) -> list[Family]:
    """All families, ordered so that in any prefix each level of each restriction is about equally frequent."""
    left = list(families)
    random.Random(f"degas contest families {seed}").shuffle(left)
    had: Counter[tuple[int, str]] = Counter()
    ordered: list[Family] = []
    while left:
        family = min(left, key=lambda one: sum(had[level] for level in _levels(one)))  # the first of equal ones
        left.remove(family)
        ordered.append(family)
        had.update(_levels(family))
    return ordered


def _levels(family: Family) -> list[tuple[int, str]]:
    return list(enumerate((family.order, family.up, family.residual, family.normal)))


def _without(stages: list[Stage], edges: tuple[Edge, ...]) -> Iterator[list[Stage]]:
    """The stages, each time without one node's choice in `edges`."""
    for number, stage in enumerate(stages):
        rest = [choice for choice in stage if not set(choice[1]) <= set(edges) or _drops_edge(choice[1], edges)]
        yield [*stages[:number], rest, *stages[number + 1 :]]


def _drops_edge(choice: tuple[Edge, ...], edges: tuple[Edge, ...]) -> bool:
    """Return whether `edges` have more at the node than `choice`."""
    return len([edge for edge in edges if edge.target == choice[0].target]) > len(choice)


def _sizes(found: Architecture, order: Order) -> Architecture:
    """An architecture of these sizes and order, whatever its edges."""
    space = replace(found.graph, order=order)
    return replace(found, order=order, edges=space.draw(0))


def _fits(other: Architecture, proposer: Proposer) -> bool:
    space = proposer.space
    shape = (other.num_stages, other.num_normal) == (space.num_stages, space.num_normal)
    known = {*space.up_operations, *space.normal_operations}
    return shape and other.order in proposer.spaces and {edge.operation for edge in other.edges} <= known
