"""Is the winner better? Paired differences on seeds that chose nothing. Pure functions on plain numbers.

Scores are distances: **lower is better**. A difference is winner − other over common seeds, so a negative one favours
the winner: `better` if its whole interval is below zero, `worse` if it is above, else `not told apart`.

Several comparisons are made at once. By Holm's procedure, with m comparisons the one with the smallest p-value is
tested at 5 % / m, the next at 5 % / (m − 1), … up to the first that is not told apart; the remaining ones use its
level. The interval is Student's at exactly this level, so that it excludes zero if and only if the verdict is a
difference. The probability of any false difference among all comparisons is at most 5 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from degas_lab.contest.equal_time import equal_steps, score_between, time_ratio
from degas_lab.contest.plan import FIRST_NEW_SEED
from degas_lab.contest.scores import trial_name
from degas_lab.paired import LEVEL, Table, Verdict, t_probability, t_quantile
from degas_lab.trials import TrialRecords

METRICS = ("fid", "kid")


@dataclass(frozen=True)
class Contestant:
    """A row of the verdict, and the name of its trials."""

    name: str
    trials: str


@dataclass(frozen=True)
class Paired:
    """Summary of paired differences: mean, standard error (for two seeds or more) and number."""

    mean: float
    error: float
    num_seeds: int

    @property
    def probability(self) -> float:
        """The p-value: probability of a difference at least as large by chance."""
        if self.error == 0.0:
            return 1.0 if self.mean == 0.0 else 0.0
        return 1.0 - t_probability(abs(self.mean) / self.error, self.num_seeds - 1)

    def interval(self, level: float) -> tuple[float, float]:
        half = t_quantile(level, self.num_seeds - 1) * self.error
        return self.mean - half, self.mean + half


def verdict(
    records: TrialRecords, winner: Contestant, others: list[Contestant], *, seeds: tuple[int, ...], steps: int
) -> dict[str, Any]:
    """verdict.json: comparisons of the winner with each other one, by each metric, on new `seeds`.

    `comparisons` are after equal steps, `equal_time` after equal processor time (`equal_time`). Holm's correction is
    over the comparisons by one metric. Seeds below `FIRST_NEW_SEED` are rejected: they chose.
    """
    if any(seed < FIRST_NEW_SEED for seed in seeds):
        raise ValueError(f"seeds below {FIRST_NEW_SEED} chose the winner and cannot judge it")
    comparisons, equal_time = [], []
    for metric in METRICS:
        table = new_scores(records, [winner, *others], seeds=seeds, steps=steps, metric=metric)
        comparisons += compare(table, winner.name, metric)
        equal_time += at_equal_time(records, winner, others, seeds=seeds, steps=steps, metric=metric)
    return {"comparisons": comparisons, "equal_time": equal_time}


def at_equal_time(
    records: TrialRecords,
    winner: Contestant,
    others: list[Contestant],
    *,
    seeds: tuple[int, ...],
    steps: int,
    metric: str,
) -> list[dict[str, Any]]:
    """The comparisons at equal processor time, with `time_ratio` of a step and both numbers of `steps`.

    A comparison is missing if one of the two is so slow that it was not scored early enough.
    """
    paired, told = {}, {}
    for other in others:
        ratio = time_ratio(records, winner.trials, other.trials, seeds=seeds, steps=steps)
        at = None if ratio is None else equal_steps(ratio, steps)
        if at is None:
            continue
        both = zip((winner, other), at, strict=True)
        table = with_worst({one.name: scores_of(records, one, seeds, its_steps, metric) for one, its_steps in both})
        paired[other.name] = _paired(table[winner.name], table[other.name])
        told[other.name] = {"time_ratio": ratio, "steps": list(at)}
    return [{**one, **told[one["against"]]} for one in _judged(paired, metric)]


def new_scores(
    records: TrialRecords, contestants: list[Contestant], *, seeds: tuple[int, ...], steps: int, metric: str
) -> Table:
    """Contestant → seed → score of the finished trainings; a diverged one has the worst score of all."""
    return with_worst({one.name: scores_of(records, one, seeds, steps, metric) for one in contestants})


def scores_of(
    records: TrialRecords, one: Contestant, seeds: Sequence[int], steps: int, metric: str
) -> dict[int, float]:
    """Seed → score after `steps`, without trainings that have not reached them; infinite for a diverged one."""
    found = {seed: score_between(records.get(trial_name(one.trials, seed)), steps, metric) for seed in seeds}
    return {seed: score for seed, score in found.items() if score is not None}


def with_worst(table: Table) -> Table:
    """The table with the worst finite score of all in place of infinite ones."""
    finite = [value for scores in table.values() for value in scores.values() if math.isfinite(value)]
    worst = max(finite, default=0.0)
    return {name: {seed: min(value, worst) for seed, value in scores.items()} for name, scores in table.items()}


def compare(table: Table, winner: str, metric: str) -> list[dict[str, Any]]:
    """The comparisons of `winner` with every other row with at least two seeds, in the table's order."""
    others = {name: scores for name, scores in table.items() if name != winner}
    return _judged({name: _paired(table[winner], scores) for name, scores in others.items()}, metric)


def _judged(paired: Mapping[str, Paired | None], metric: str) -> list[dict[str, Any]]:
    known = {name: found for name, found in paired.items() if found is not None}
    levels = holm_levels({name: found.probability for name, found in known.items()})
    return [_comparison(name, metric, found, levels[name]) for name, found in known.items()]


def holm_levels(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Comparison → the confidence level of its interval, which excludes zero if Holm's procedure rejects."""
    levels: dict[str, float] = {}
    error, stopped = 1.0 - LEVEL, False
    for number, name in enumerate(sorted(probabilities, key=lambda name: probabilities[name])):
        if not stopped:
            share = error / (len(probabilities) - number)
            stopped = probabilities[name] >= share
        levels[name] = 1.0 - share
    return levels


def _paired(scores: Mapping[int, float], other: Mapping[int, float]) -> Paired | None:
    differences = [scores[seed] - other[seed] for seed in sorted(set(scores) & set(other))]
    if len(differences) < 2:
        return None
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return Paired(statistics.fmean(differences), error, len(differences))


def _comparison(name: str, metric: str, found: Paired, level: float) -> dict[str, Any]:
    low, high = found.interval(level)
    words: Verdict = "better" if high < 0 else "worse" if low > 0 else "not told apart"
    return {
        "against": name,
        "metric": metric,
        "difference": found.mean,
        "low": low,
        "high": high,
        "num_seeds": found.num_seeds,
        "verdict": words,
    }


def in_words(comparison: Mapping[str, Any]) -> str:
    """`better than resnet by 3.1 (fid, 1.2 to 5.0, 10 seeds)`, or a bound on the difference."""
    metric, seeds, against = comparison["metric"], comparison["num_seeds"], comparison["against"]
    if comparison["verdict"] == "not told apart":
        most = max(abs(comparison["low"]), abs(comparison["high"]))
        return f"not told apart from {against} ({metric}: the difference is smaller than {most:.3g}, {seeds} seeds)"
    low, high = sorted((abs(comparison["low"]), abs(comparison["high"])))
    by = abs(comparison["difference"])
    return f"{comparison['verdict']} than {against} by {by:.3g} ({metric}, {low:.3g} to {high:.3g}, {seeds} seeds)"
