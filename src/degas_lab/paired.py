"""Paired comparisons and variance components of a table row × seed. Pure functions on plain numbers.

A common seed affects all rows equally (the same reals, noise and initial critic), so rows are compared within seeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["better", "not told apart", "worse"]
Table = Mapping[str, Mapping[int, float]]  # row → seed → score (lower is better)
LEVEL = 0.95
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Difference:
    """Mean of score − the other's score over `num_seeds` common seeds, and its t interval; lower is better.

    With one seed there is no interval (None), and the two are not told apart.
    """

    difference: float
    low: float | None
    high: float | None
    num_seeds: int
    verdict: Verdict

    @property
    def words(self) -> str:
        return self.in_words(1)

    def in_words(self, digits: int) -> str:
        """The verdict and the difference, to `digits` digits."""
        if self.verdict == "not told apart":
            return self.verdict
        return f"{self.verdict} by {abs(self.difference):.{digits}f}"


def paired_difference(scores: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """`scores` − `other` over the seeds that both have; None without any."""
    differences = [scores[seed] - other[seed] for seed in sorted(set(scores) & set(other))]
    if not differences:
        return None
    mean, count = statistics.fmean(differences), len(differences)
    if count == 1:
        return Difference(mean, None, None, 1, "not told apart")
    half = t_quantile(LEVEL, count - 1) * statistics.stdev(differences) / math.sqrt(count)
    low, high = mean - half, mean + half
    verdict: Verdict = "better" if high < 0 else "worse" if low > 0 else "not told apart"
    return Difference(mean, low, high, count, verdict)


@dataclass(frozen=True)
class Components:
    """Standard deviations of score = mean + row + seed + rest, where rest is row × seed and chance together."""

    row: float
    seed: float
    rest: float
    num_rows: int
    num_seeds: int

    def seeds_for(self, difference: float, power: float = 0.8) -> int:
        """Number of common seeds that tells apart two rows with this true `difference`, with this `power`."""
        spread = math.sqrt(2) * self.rest  # of a difference within a seed
        for count in range(2, MOST_SEEDS):
            wanted = t_quantile(LEVEL, count - 1) + t_quantile(2 * power - 1, count - 1)
            if wanted * spread <= difference * math.sqrt(count):
                return count
        return MOST_SEEDS


def variance_components(table: Table) -> Components | None:
    """Components of the largest full part of `table` (mean squares); None for fewer than two rows or two seeds.

    E[MS rows] = rest² + seeds·row², E[MS seeds] = rest² + rows·seed²; an estimate below zero counts as zero.
    """
    names, seeds = largest_block(table)
    if len(names) < 2 or len(seeds) < 2:
        return None
    values = [[table[name][seed] for seed in seeds] for name in names]
    by_row = [statistics.fmean(row) for row in values]
    by_seed = [statistics.fmean(column) for column in zip(*values, strict=True)]
    mean = statistics.fmean(by_row)
    rests = [
        (value - row - column + mean) ** 2
        for row, line in zip(by_row, values, strict=True)
        for column, value in zip(by_seed, line, strict=True)
    ]
    rest = sum(rests) / ((len(names) - 1) * (len(seeds) - 1))
    row = max(0.0, statistics.variance(by_row) - rest / len(seeds))
    seed = max(0.0, statistics.variance(by_seed) - rest / len(names))
    return Components(math.sqrt(row), math.sqrt(seed), math.sqrt(rest), len(names), len(seeds))


def largest_block(table: Table) -> tuple[list[str], list[int]]:
    """Rows and seeds of a full part of the table with many degrees of freedom.

    Rows are sorted by their number of seeds; the prefix with the most degrees of freedom on its common seeds is taken.
    """
    names = sorted(table, key=lambda name: -len(table[name]))  # stable: the table's order among equals
    best: tuple[list[str], list[int]] = ([], [])
    for count in range(1, len(names) + 1):
        common = set.intersection(*(set(table[name]) for name in names[:count]))
        if (count - 1) * (len(common) - 1) > (len(best[0]) - 1) * (len(best[1]) - 1) or not best[0]:
            best = (names[:count], sorted(common))
    return best


def t_quantile(level: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = `level` for T with `freedom` degrees of freedom."""
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < level:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, freedom) < level else (low, middle)
    return high


def t_probability(t: float, freedom: int) -> float:
    """P(|T| ≤ t), by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    square, odd = math.cos(angle) ** 2, freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):  # even: 1 + ½ cos² + (1·3)/(2·4) cos⁴ …; odd: cos + ⅔ cos³ + …
        total += term
        term *= square * k / (k + 1)
    total *= math.sin(angle)
    return (angle + total) * 2 / math.pi if odd else total


def by_seed(rows: Sequence[tuple[str, int, float]]) -> dict[str, dict[int, float]]:
    """(row, seed, score) → the table."""
    table: dict[str, dict[int, float]] = {}
    for name, seed, score in rows:
        table.setdefault(name, {})[seed] = score
    return table
