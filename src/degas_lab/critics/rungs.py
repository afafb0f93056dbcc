"""The rungs of a contest of critics, as a function of the trials alone. Pure functions on plain numbers.

    rung 1   every critic, first seed, a share of its steps    best by score
    rung 2   those promoted, first seed, all their steps       best by score
    rung 3   the finalists, every seed, all their steps        least mean difference to the mean of the finalists

Each critic has a number of steps of its own, so that all take equal processor time. A diverged training is a result: it
counts as the worst of its rung and is not promoted. Lower scores are better. Scores are rounded before comparison, and
critics are looked up by name, so that the order in which trials end does not matter.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from degas_lab.contest.plan import FIRST_NEW_SEED
from degas_lab.contest.rungs import Schedule, Wanted
from degas_lab.contest.scores import clock_of, diverged, rounded, score_at, trial_name, with_worst
from degas_lab.contest.verdict import METRICS, compare
from degas_lab.contest.verdict import with_worst as with_worst_of_all
from degas_lab.trials import TrialRecords


@dataclass
class CriticOutcome:
    """`rungs`: the decided ones, as in rungs.json; `wanted`: trainings of the open rung, of `entrants`.

    `winner` is None while a rung is open.
    """

    entrants: list[str]
    rungs: list[dict[str, Any]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    winner: str | None = None


def steps_in(rung: int, steps: int, schedule: Schedule) -> int:
    """The steps of a critic with `steps` steps in all, after rung 1, 2 or 3."""
    return steps if rung > 1 else max(1, min(steps - 1, round(steps * schedule.first_steps / schedule.steps)))


def decide(steps: Mapping[str, int], records: TrialRecords, schedule: Schedule) -> CriticOutcome:
    """Decide the rungs as far as the trials allow; `steps`: all candidates, with their number of steps."""
    outcome = CriticOutcome(list(steps))
    first, last = schedule.seeds[:1], schedule.seeds
    for rung, seeds in enumerate((first, first, last), start=1):
        to = {name: steps_in(rung, steps[name], schedule) for name in outcome.entrants}
        table = {
            name: {seed: score_at(records.get(trial_name(name, seed)), to[name], schedule.score) for seed in seeds}
            for name in outcome.entrants
        }
        outcome.wanted = [Wanted(name, seed, to[name]) for seed in seeds for name in to if table[name][seed] is None]
        if outcome.wanted:
            return outcome
        places = 1 if rung == 3 else schedule.promote[rung - 1]
        standings = _standings(with_worst(table), diverged(table), places)
        outcome.rungs.append({"rung": rung, "seeds": list(seeds), "score": schedule.score, "standings": standings})
        outcome.entrants = [one["name"] for one in standings if one["promoted"]]
    outcome.winner = outcome.entrants[0]
    return outcome


def critic_verdict(
    records: TrialRecords, winner: str, others: Sequence[str], steps: Mapping[str, int], seeds: tuple[int, ...]
) -> dict[str, Any]:
    """`comparisons` of the winner with each other critic by each metric, on new seeds, at equal processor time.

    Seeds below `FIRST_NEW_SEED` are rejected: they chose.
    """
    if any(seed < FIRST_NEW_SEED for seed in seeds):
        raise ValueError(f"seeds below {FIRST_NEW_SEED} chose the winner and cannot judge it")
    comparisons: list[dict[str, Any]] = []
    for metric in METRICS:
        found = {
            name: {seed: score_at(records.get(trial_name(name, seed)), steps[name], metric) for seed in seeds}
            for name in (winner, *others)
        }
        known = {name: {s: v for s, v in row.items() if v is not None} for name, row in found.items()}
        comparisons += compare(with_worst_of_all(known), winner, metric)
    times = {other: _time_ratio(records, winner, other, seeds) for other in others}
    return {"comparisons": [{**one, "time_ratio": times[one["against"]]} for one in comparisons]}


def _time_ratio(records: TrialRecords, winner: str, other: str, seeds: Sequence[int]) -> float | None:
    """Median over seeds of the winner's seconds (`clock_of`), divided by the other's: how equal the time really was."""
    names = [(trial_name(winner, seed), trial_name(other, seed)) for seed in seeds]
    both = [(records[one], records[two]) for one, two in names if one in records and two in records]
    ratios = [one[clock_of(one)] / two[clock_of(two)] for one, two in both]
    return rounded(statistics.median(ratios)) if ratios else None


def _standings(table: Mapping[str, Mapping[int, float]], failed: set[str], places: int) -> list[dict[str, Any]]:
    """Best first, by the mean over seeds of score − mean score of the seed; at least one is promoted."""
    seeds = list(next(iter(table.values())))
    means = {seed: statistics.fmean(scores[seed] for scores in table.values()) for seed in seeds}
    own = {name: rounded(statistics.fmean(scores[s] - means[s] for s in seeds)) for name, scores in table.items()}
    order = sorted(table, key=lambda name: (name in failed, own[name]))
    kept = [name for name in order if name not in failed][:places] or order[:1]
    return [
        {
            "name": name,
            "difference": own[name],
            "scores": {str(seed): score for seed, score in table[name].items()},
            "diverged": name in failed,
            "promoted": name in kept,
        }
        for name in order
    ]
