"""Pruning: from named α to the edges of an architecture, by pure functions (paper §3.2, docs/equations.md).

`alpha` maps a slot name (`U0->N1`) to a mapping from operation name to α. The order of these mappings does not matter:
operations are looked up by name, and ties follow the space's fixed order (node, direct first, source, table).
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from degas.errors import UserError, nearest
from degas.space.graph import ZERO, Edge, SearchSpace, Slot

Alpha = Mapping[str, Mapping[str, float]]
Left = Mapping[str, Collection[str]]  # edge name → the operations that have left the search
Compare = Literal["raw", "centred", "softmax_times_k", "above_zero"]
ZeroRule = Literal["drops_edge", "ignored"]
Part = Literal["direct", "residual"]

COMPARES: tuple[Compare, ...] = ("raw", "centred", "softmax_times_k", "above_zero")
DARTS_EDGES = 2  # incoming edges that DARTS keeps at a node
NO_EDGE = "none"  # the choice of a residual decision that keeps no edge


def prune(
    alpha: Alpha, space: SearchSpace, *, compare: Compare = "raw", zero_rule: ZeroRule = "drops_edge"
) -> tuple[Edge, ...]:
    """The edges that the paper's two stages keep, after those that the space's prefix gives.

    1. Each node keeps the incoming operation with the largest value over all its edges.
    2. If it is on a residual edge, the best operation of the direct edge is kept as well.

    `compare` sets the values that are compared across edges: `raw` α, as in the paper; `centred` on the edge's mean,
    since softmax ignores a shift; `softmax_times_k`, the mixing weight relative to a uniform one, since edges have
    different numbers of operations (its logarithm, which cannot underflow); `above_zero`, α minus that of `zero` on a
    residual edge and minus the largest on a direct one, so that a residual edge is compared with its absence, not with
    an edge that is always kept (our choice). `zero_rule`: a residual edge whose largest α is that of `zero` is no
    candidate, or `zero` is ignored. Raises `UserError` if `alpha` does not fit `space`.
    """
    values = _values(alpha, space, compare)
    edges = list(space.prefix)
    for node in space.searched_nodes:
        edges += [_edge(slot, operation) for slot, operation in _kept(values, space, node, zero_rule)]
    return tuple(edges)


def node_options(
    alpha: Alpha, space: SearchSpace, node: str, *, compare: Compare = "raw", zero_rule: ZeroRule = "drops_edge"
) -> tuple[list[tuple[Edge, float]], list[tuple[Edge | None, float]]]:
    """Return the direct and the residual options of `node`, each with its value, in the fixed order.

    None means no residual edge and comes first; its value is the largest of the direct edge, which a residual operation
    must exceed in `prune`. So `prune` keeps the first option with the largest value from each list.
    """
    values = _values(alpha, space, compare)
    direct, *residual = space.incoming(node)
    firsts = [(_edge(direct, name), values[direct.name][name]) for name in space.operations(direct)]
    seconds: list[tuple[Edge | None, float]] = [(None, max(value for _, value in firsts))]
    for slot in residual:
        names = space.operations(slot)
        if not _is_dropped(values[slot.name], names, zero_rule):
            seconds += [(_edge(slot, name), values[slot.name][name]) for name in names if name != ZERO]
    return firsts, seconds


def random_alpha(space: SearchSpace, seed: int, std: float = 1.0) -> dict[str, dict[str, float]]:
    """α ~ N(0, std²): a random *continuous* architecture, which the paper's ablation prunes and trains (§4.2).

    The pruned architecture is not uniform over the discrete space (nodes without a residual edge are more frequent);
    `SearchSpace.draw` is.
    """
    rng = random.Random(f"degas random alpha {seed}")
    return {slot.name: {name: rng.gauss(0.0, std) for name in space.operations(slot)} for slot in space.searched_slots}


def prune_random_alpha(space: SearchSpace, seed: int) -> tuple[Edge, ...]:
    """The paper's "random block": random α, pruned by its rule (§4.2, Table 4)."""
    return prune(random_alpha(space, seed), space)


@dataclass(frozen=True)
class DartsPruning:
    """The edges that DARTS' rule keeps, and the disconnected nodes, without input or without effect on the image."""

    edges: tuple[Edge, ...]
    disconnected: tuple[str, ...]


def prune_darts(alpha: Alpha, space: SearchSpace) -> DartsPruning:
    """DARTS' own rule, the ablation that the paper argues against: each node keeps its two strongest incoming edges.

    The strength of an edge is its largest mixing weight (softmax) other than that of `zero` (DARTS' `genotype`). The
    direct edge has no priority, so a node may be on no path from U0 to the image.
    """
    weights = _values(alpha, space, "softmax_times_k")
    edges = list(space.prefix)
    for node in space.searched_nodes:
        best = [(slot, _best(weights[slot.name], space.operations(slot))) for slot in space.incoming(node)]
        strength = {slot.name: weights[slot.name][name] - math.log(len(space.operations(slot))) for slot, name in best}
        strongest = sorted(best, key=lambda choice: -strength[choice[0].name])[:DARTS_EDGES]  # stable: ties by order
        edges += [_edge(slot, name) for slot, name in best if (slot, name) in strongest]
    return DartsPruning(tuple(edges), _disconnected(edges, space))


@dataclass(frozen=True)
class Decision:
    """One choice of the pruning: `part` of `node`, the choice, the runner-up and the margin.

    `part` is `direct` (which operation) or `residual` (which source and operation, or none). The margin is in the units
    of the compare rule, None without an alternative. `differs_under` names the compare rules with another choice.
    """

    node: str
    part: Part
    choice: str
    runner_up: str
    margin: float | None
    differs_under: tuple[Compare, ...]

    @property
    def name(self) -> str:
        return f"{self.node} {self.part}"


def decisions(
    alpha: Alpha,
    space: SearchSpace,
    *,
    compare: Compare = "raw",
    zero_rule: ZeroRule = "drops_edge",
    left: Left = MappingProxyType({}),
) -> tuple[Decision, ...]:
    """Every decision of `prune` with its margin, in the order of the graph.

    An operation in `left` had left the search, so it is no alternative: it is no runner-up and makes no margin.
    """
    others = {rule: choices(prune(alpha, space, compare=rule, zero_rule=zero_rule), space) for rule in COMPARES}
    values = _values(alpha, space, compare)
    found: list[Decision] = []
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        rankings: dict[Part, list[tuple[str, float]]] = {"direct": _rank_direct(values, space, direct, left)}
        if residual:
            rankings["residual"] = _rank_residual(values, space, node, zero_rule, left)
        for part, ranking in rankings.items():
            key = f"{node} {part}"
            choice, value = ranking[0]
            runner_up, margin = (ranking[1][0], value - ranking[1][1]) if len(ranking) > 1 else ("", None)
            differs = tuple(rule for rule in COMPARES if others[rule][key] != others[compare][key])
            found.append(Decision(node, part, choice, runner_up, margin, differs))
    return tuple(found)


def choices(edges: tuple[Edge, ...], space: SearchSpace) -> dict[str, str]:
    """Decision name → the choice in an architecture's edges: `N1 direct` → `conv_3x3`, `U1 residual` → `none`.

    Given nodes have no decision.
    """
    kept = {(edge.source, edge.target): edge.operation for edge in edges}
    chosen: dict[str, str] = {}
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        chosen[f"{node} direct"] = kept.get((direct.source, node), NO_EDGE)
        if residual:
            names = [f"{slot.name} {kept[slot.source, node]}" for slot in residual if (slot.source, node) in kept]
            chosen[f"{node} residual"] = ", ".join(names) or NO_EDGE
    return chosen


def check_alpha(alpha: Alpha, space: SearchSpace) -> None:
    """Raise `UserError` unless `alpha` has exactly the searched edges and operations, with finite values."""
    names = [slot.name for slot in space.searched_slots]
    for name in alpha:
        if name not in names:
            raise UserError(f"alpha: the search space has no edge {name!r}{nearest(name, names)}")
    for slot in space.searched_slots:
        if slot.name not in alpha:
            raise UserError(f"alpha: edge {slot.name} is missing; give one value for each of its operations")
        given, valid = alpha[slot.name], space.operations(slot)
        for operation in given:
            if operation not in valid:
                raise UserError(f"alpha: edge {slot.name} has no operation {operation!r}{nearest(operation, valid)}")
        for operation in valid:
            if not math.isfinite(given.get(operation, math.nan)):
                raise UserError(f"alpha: edge {slot.name} needs a finite value for {operation}")


def _values(alpha: Alpha, space: SearchSpace, compare: Compare) -> dict[str, dict[str, float]]:
    """The values to compare, in the table's order; every rule keeps the ranking of α within an edge."""
    check_alpha(alpha, space)
    compared = {}
    for slot in space.searched_slots:
        raw = {name: float(alpha[slot.name][name]) for name in space.operations(slot)}
        compared[slot.name] = _compared(raw, compare)
    return compared


def _compared(raw: dict[str, float], compare: Compare) -> dict[str, float]:
    if compare == "raw":
        return raw
    if compare == "centred":
        mean = math.fsum(raw.values()) / len(raw)
        return {name: value - mean for name, value in raw.items()}
    if compare == "softmax_times_k":
        largest = max(raw.values())
        log_total = largest + math.log(math.fsum(math.exp(value - largest) for value in raw.values()))
        return {name: value - log_total + math.log(len(raw)) for name, value in raw.items()}
    if compare == "above_zero":
        level = raw[ZERO] if ZERO in raw else max(raw.values())
        return {name: value - level for name, value in raw.items()}
    raise ValueError(f"unknown compare rule {compare!r}")


def _best(values: Mapping[str, float], operations: tuple[str, ...]) -> str:
    """The operation other than `zero` with the largest value; the first of equal ones."""
    return max((name for name in operations if name != ZERO), key=lambda name: values[name])


def _is_dropped(values: Mapping[str, float], operations: tuple[str, ...], zero_rule: ZeroRule) -> bool:
    if zero_rule not in ("drops_edge", "ignored"):
        raise ValueError(f"unknown zero rule {zero_rule!r}")
    # A tie keeps the edge: `zero` comes last in the table.
    return zero_rule == "drops_edge" and ZERO in operations and values[ZERO] > values[_best(values, operations)]


def _kept(
    values: dict[str, dict[str, float]], space: SearchSpace, node: str, zero_rule: ZeroRule
) -> list[tuple[Slot, str]]:
    candidates = [
        (slot, _best(values[slot.name], space.operations(slot)))
        for slot in space.incoming(node)  # direct first
        if not _is_dropped(values[slot.name], space.operations(slot), zero_rule)
    ]
    winner = max(candidates, key=lambda candidate: values[candidate[0].name][candidate[1]])  # the first of equal ones
    return [candidates[0]] if winner[0].direct else [candidates[0], winner]


def _rank_direct(
    values: dict[str, dict[str, float]], space: SearchSpace, direct: Slot, left: Left
) -> list[tuple[str, float]]:
    on_edge = values[direct.name]
    return sorted(((name, on_edge[name]) for name in _remaining(direct, space, left)), key=lambda pair: -pair[1])


def _remaining(slot: Slot, space: SearchSpace, left: Left) -> tuple[str, ...]:
    return tuple(name for name in space.operations(slot) if name not in left.get(slot.name, ()))


def _rank_residual(
    values: dict[str, dict[str, float]], space: SearchSpace, node: str, zero_rule: ZeroRule, left: Left
) -> list[tuple[str, float]]:
    """Residual candidates and `none`, whose value is the largest of the direct edge, the one to exceed."""
    direct, *residual = space.incoming(node)
    on_direct = values[direct.name]
    ranking = [(NO_EDGE, on_direct[_best(on_direct, space.operations(direct))])]
    for slot in residual:
        operations = space.operations(slot)
        if not _is_dropped(values[slot.name], operations, zero_rule):
            remaining = [name for name in _remaining(slot, space, left) if name != ZERO]
            ranking += [(f"{slot.name} {name}", values[slot.name][name]) for name in remaining]
    return sorted(ranking, key=lambda pair: -pair[1])


def _edge(slot: Slot, operation: str) -> Edge:
    return Edge(slot.source, slot.target, operation)


def _disconnected(edges: list[Edge], space: SearchSpace) -> tuple[str, ...]:
    """Nodes on no path from the first map to the last."""
    first, last = space.nodes[0], space.nodes[-1]
    reached, reaching = {first}, {last}
    for edge in edges:  # in the graph's order, sources before targets
        if edge.source in reached:
            reached.add(edge.target)
    for edge in reversed(edges):
        if edge.target in reaching:
            reaching.add(edge.source)
    return tuple(node for node in space.nodes if node not in reached & reaching)
