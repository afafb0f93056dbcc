"""The agreement of searches with different seeds: the numbers of agreement.json.

A common complaint about DARTS is that two seeds give two architectures, so agreement is measured against chance.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import Alpha, Compare, Left, ZeroRule, choices, decisions, prune

Pairs = Mapping[tuple[int, int], float]  # positions of two searches, first < second → a value
LEVEL = 0.95
# Student's t at 0.975 for 1 to 10 degrees of freedom; a series covers more.
T_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def agreement(
    alphas: Sequence[Alpha],
    seeds: Sequence[int],
    space: SearchSpace,
    *,
    compare: Compare = "raw",
    zero_rule: ZeroRule = "drops_edge",
    kept: Sequence[tuple[Edge, ...]] | None = None,
    consensus: tuple[Edge, ...] | None = None,
    left: Sequence[Left] | None = None,
) -> dict[str, Any]:
    """Agreement of several searches, as means over the pairs of seeds.

    `alphas`: the values by which each search was pruned, called α below (`Rule.values`). `kept`: the edges that each
    search kept; `consensus`: those of all together. By default the paper's rule prunes each α and `mean_alpha`.
    `left`: the operations that had left each search, which make no margins; by default none.

    Keys: `seeds`; `num_decisions`, the number of choices in an architecture (9 in the paper's space: each normal map's
    operation, each up-sampled map's direct operation, and its residual edge with source); `mean_equal_decisions`;
    `chance`, the mean number that two uniform architectures share; `kendall_tau`, the rank correlation of α on an edge,
    from −1 to 1 with 0 for chance, averaged over edges; `mean_equal_decisions_interval` and `kendall_tau_interval`,
    [low, high] of `jackknife_interval`, None for two seeds; `interval`, their definition; `kendall_tau_per_edge`;
    `decisions`, a list: name, the consensus' choice, the share of seeds that chose it, the share of pairs that agree,
    and by seed the choice and its margin to the runner-up (None without one, or if a cap or another rule chose).
    Raises `ValueError` for fewer than two searches.
    """
    if len(alphas) < 2 or len(alphas) != len(seeds):
        raise ValueError(f"{len(alphas)} searches and {len(seeds)} seeds: agreement needs two or more, one seed each")
    rule: dict[str, Any] = {"compare": compare, "zero_rule": zero_rule}
    kept = [prune(alpha, space, **rule) for alpha in alphas] if kept is None else kept
    consensus = prune(mean_alpha(alphas), space, **rule) if consensus is None else consensus
    found = [choices(edges, space) for edges in kept]
    pairs = list(itertools.combinations(range(len(alphas)), 2))
    equal = {(i, j): float(sum(found[i][name] == found[j][name] for name in found[i])) for i, j in pairs}
    taus = {(i, j): edge_taus(alphas[i], alphas[j], space) for i, j in pairs}
    mean_taus = {pair: statistics.fmean(by_edge.values()) for pair, by_edge in taus.items() if by_edge}
    edges = list(next(iter(taus.values())))
    num_decisions = len(found[0])
    gone = [{} for _ in alphas] if left is None else left
    margins = [_margins(a, space, made, rule, out) for a, made, out in zip(alphas, found, gone, strict=True)]
    return {
        "seeds": list(seeds),
        "num_decisions": num_decisions,
        "mean_equal_decisions": statistics.fmean(equal.values()),
        "chance": chance(space),
        "kendall_tau": statistics.fmean(mean_taus.values()) if mean_taus else None,
        "mean_equal_decisions_interval": jackknife_interval(equal, 0.0, float(num_decisions)),
        "kendall_tau_interval": jackknife_interval(mean_taus, -1.0, 1.0),
        "interval": {"level": LEVEL, "method": "jackknife over seeds, Student's t"},
        "kendall_tau_per_edge": {name: statistics.fmean(tau[name] for tau in taus.values()) for name in edges},
        "decisions": _by_decision(margins, seeds, found, choices(consensus, space)),
    }


def mean_alpha(alphas: Sequence[Alpha]) -> dict[str, dict[str, float]]:
    """The mean over searches for each edge and operation: the α of the consensus."""
    return {
        edge: {name: statistics.fmean(alpha[edge][name] for alpha in alphas) for name in values}
        for edge, values in alphas[0].items()
    }


def chance(space: SearchSpace) -> float:
    """Expected number of equal decisions of two architectures drawn uniformly and independently.

    A choice among K counts 1/K: the operations of a direct edge, or a node's residual operations and none. In the
    paper's space it is 1.51 of 9.
    """
    total = 0.0
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        total += 1 / len(space.operations(direct))
        if residual:
            total += 1 / (1 + sum(name != ZERO for slot in residual for name in space.operations(slot)))
    return total


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's τ-b of two sequences (n,), which allows for ties; NaN if one of them is constant.

    Without ties: pairs in the same order minus pairs in opposite order, over all pairs (τ-a). Tests compare it with
    `scipy.stats.kendalltau`, which is not a dependency.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    upper = np.triu_indices(len(a), 1)
    signs = [np.sign(x[:, None] - x[None, :])[upper] for x in (a, b)]
    free = [np.count_nonzero(sign) for sign in signs]
    if not all(free):
        return math.nan
    return float((signs[0] * signs[1]).sum() / math.sqrt(free[0] * free[1]))


def edge_taus(first: Alpha, second: Alpha, space: SearchSpace) -> dict[str, float]:
    """Kendall's τ of α on each edge with more than one candidate; 0, the value of chance, if all α are equal."""
    found = {}
    for slot in space.searched_slots:
        names = space.operations(slot)
        if len(names) > 1:
            tau = kendall_tau([first[slot.name][name] for name in names], [second[slot.name][name] for name in names])
            found[slot.name] = 0.0 if math.isnan(tau) else tau
    return found


def jackknife_interval(values: Pairs, low: float, high: float) -> list[float] | None:
    """A 95 % interval of the mean over pairs, within [`low`, `high`]; None for fewer than three searches.

    Pairs that share a search are not independent, so the search is the unit: the standard error is the jackknife's,
    from the means without one search, with Student's t of n − 1 degrees of freedom (our choice; Arvesen 1969 for such
    means over pairs). Zero width means that all pairs agree equally, not that another seed must.
    """
    members = sorted({member for pair in values for member in pair})
    n = len(members)
    if n < 3:
        return None
    left_out = [statistics.fmean(v for pair, v in values.items() if member not in pair) for member in members]
    half = t_quantile(n - 1) * math.sqrt((n - 1) * statistics.pvariance(left_out))
    mean = statistics.fmean(values.values())
    return [max(low, mean - half), min(high, mean + half)]


def t_quantile(degrees: int) -> float:
    """Student's t at 0.975: a table for few degrees of freedom, else the Cornish-Fisher series."""
    if degrees <= len(T_QUANTILES):
        return T_QUANTILES[degrees - 1]
    z = statistics.NormalDist().inv_cdf(0.5 + LEVEL / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def _margins(
    alpha: Alpha, space: SearchSpace, made: Mapping[str, str], rule: Mapping[str, Any], left: Left
) -> dict[str, float | None]:
    """Decision name → margin of the choice, if the paper's rule made it."""
    found = decisions(alpha, space, **rule, left=left)
    return {one.name: one.margin if one.choice == made[one.name] else None for one in found}


def _by_decision(
    margins: Sequence[Mapping[str, float | None]],
    seeds: Sequence[int],
    found: Sequence[Mapping[str, str]],
    consensus: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One record per decision, in the graph's order."""
    records = []
    for name, choice in consensus.items():
        made = [by_name[name] for by_name in found]
        pairs = list(itertools.combinations(made, 2))
        records.append(
            {
                "name": name,
                "consensus": choice,
                "share_of_seeds": made.count(choice) / len(made),
                "share_of_pairs": sum(a == b for a, b in pairs) / len(pairs),
                "choices": {str(seed): one for seed, one in zip(seeds, made, strict=True)},
                "margins": {str(seed): by_name[name] for seed, by_name in zip(seeds, margins, strict=True)},
            }
        )
    return records
