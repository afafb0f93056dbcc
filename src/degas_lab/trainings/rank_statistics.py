"""Kendall's τ with a bootstrap interval, and the pairing of scores. Pure functions on plain numbers."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from degas.nas.results.agreement import kendall_tau

NUM_RESAMPLES = 2000
FEWEST = 4  # architectures for a τ: with three it has only four possible values


def bootstrap_interval(
    first: Sequence[float], second: Sequence[float], *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of τ over resamples of the pairs (architectures), with replacement.

    A resample contains pairs twice; they are ties, which τ-b allows for. Resamples with a constant side are left out.
    """
    signs = [np.sign(x[:, None] - x[None, :]) for x in (np.asarray(v, dtype=float) for v in (first, second))]  # (n, n)
    rng, n = np.random.default_rng(seed), len(first)
    rows = rng.integers(0, n, (NUM_RESAMPLES, n))
    counts = (rows[:, :, None] == np.arange(n)).sum(axis=1).astype(float)  # (R, n): count of each in a resample
    agreed, free_a, free_b = (_pair_sums(counts, part) for part in (signs[0] * signs[1], *map(np.abs, signs)))
    free = np.sqrt(free_a * free_b)
    kept = agreed[free > 0] / free[free > 0]
    low, high = np.percentile(kept, [50 * (1 - level), 50 * (1 + level)]) if len(kept) else (math.nan, math.nan)
    return float(low), float(high)


def _pair_sums(counts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Σ_ij c_i c_j p_ij of each resample: counts (R, n), pairs (n, n) with a diagonal of 0 → (R,)."""
    return ((counts @ pairs) * counts).sum(axis=1)


def correlation(predicted: Mapping[str, float], scored: Mapping[str, float]) -> dict[str, Any] | None:
    """τ, its interval, and the number of architectures with both values; None for too few.

    τ above 0: architectures that the predictor ranks better also score better.
    """
    names = sorted(set(predicted) & set(scored))
    if len(names) < FEWEST:
        return None
    pairs = [predicted[name] for name in names], [scored[name] for name in names]
    tau = kendall_tau(*pairs)
    if math.isnan(tau):
        return None
    low, high = bootstrap_interval(*pairs)
    return {"tau": tau, "low": low, "high": high, "num_architectures": len(names)}


def seed_means(values: Mapping[tuple[str, int], float], names: Sequence[str]) -> dict[str, float]:
    """The mean over the available seeds of every architecture in `names`."""
    found: dict[str, list[float]] = {}
    for (name, _), value in values.items():
        if name in names:
            found.setdefault(name, []).append(value)
    return {name: statistics.fmean(mine) for name, mine in found.items()}


def reliability(values: Mapping[tuple[str, int], float], names: Sequence[str]) -> dict[str, Any] | None:
    """τ between two seeds of the same quantity: the mean over pairs of seeds, and the interval of the first pair.

    No predictor can be expected to agree with a score better than the score does with itself.
    """
    seeds = sorted({seed for _, seed in values})
    found = []
    for one, other in itertools.combinations(seeds, 2):
        sides = [{name: values[name, s] for name in names if (name, s) in values} for s in (one, other)]
        found.append(correlation(*sides))
    known = [entry for entry in found if entry is not None]
    if not known:
        return None
    return {**known[0], "tau": statistics.fmean(entry["tau"] for entry in known), "num_pairs_of_seeds": len(known)}
