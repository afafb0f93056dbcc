"""How far searches with different seeds agree: the numbers of agreement.json. Spec §3.

DARTS' users complain above all that two seeds give two architectures, so agreement is measured against chance.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

from degas.architecture import ZERO, SearchSpace
from degas.nas.pruning import Alpha, Compare, ZeroRule, choices, prune


def agreement(
    alphas: Sequence[Alpha],
    seeds: Sequence[int],
    space: SearchSpace,
    *,
    compare: Compare = "raw",
    zero_rule: ZeroRule = "drops_edge",
) -> dict[str, Any]:
    """Agreement of the final α of several searches, as means over the pairs of seeds.

    Keys: `seeds`; `num_decisions`, how many choices an architecture consists of (9 in the paper's space: each normal
    map's operation, each up-sampled map's direct operation, its residual edge with source); `mean_equal_decisions`;
    `chance`, what two architectures drawn uniformly would share on average; `kendall_tau`, the rank correlation of α
    on an edge, from −1 to 1 with 0 for chance, averaged over edges. Raises `ValueError` for fewer than two searches.
    """
    if len(alphas) < 2 or len(alphas) != len(seeds):
        raise ValueError(f"{len(alphas)} searches and {len(seeds)} seeds: agreement needs two or more, one seed each")
    found = [choices(prune(alpha, space, compare=compare, zero_rule=zero_rule), space) for alpha in alphas]
    equal = [sum(a[name] == b[name] for name in a) for a, b in itertools.combinations(found, 2)]
    taus = [
        kendall_tau([a[slot.name][name] for name in names], [b[slot.name][name] for name in names])
        for a, b in itertools.combinations(alphas, 2)
        for slot in space.slots
        if len(names := space.operations(slot)) > 1
    ]
    return {
        "seeds": list(seeds),
        "num_decisions": len(found[0]),
        "mean_equal_decisions": statistics.fmean(equal),
        "chance": chance(space),
        "kendall_tau": statistics.fmean(taus) if taus else None,
    }


def chance(space: SearchSpace) -> float:
    """Expected number of equal decisions of two architectures drawn uniformly and independently.

    1/K for a choice among K: the operations of a direct edge, or a node's residual operations and none. 1.51 of 9 in
    the paper's space.
    """
    total = 0.0
    for node in space.nodes[1:]:
        direct, *residual = space.incoming(node)
        total += 1 / len(space.operations(direct))
        if residual:
            total += 1 / (1 + sum(name != ZERO for slot in residual for name in space.operations(slot)))
    return total


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's rank correlation (τ-a): pairs in the same order less pairs in opposite order, over all pairs."""
    pairs = list(itertools.combinations(range(len(first)), 2))
    signs = [(first[i] - first[j]) * (second[i] - second[j]) for i, j in pairs]
    return sum((sign > 0) - (sign < 0) for sign in signs) / len(pairs)
