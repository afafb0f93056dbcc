"""Halving by paired seeds: which trials continue after each mark. Pure functions of plan and scores.

A configuration is a trial's settings without the block's, usually the seed. At a mark every configuration of the rung
has a score in every block, and is judged by the mean over blocks of score − mean score of the block: a common seed
affects all alike (the same reals, noise and initial critic), so it cancels. A rung is decided only when all its trials
have ended, so that the order in which they end does not matter.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from degas.sweep.plan import Halving, Trial, configuration, num_kept

DIGITS = 10  # scores are rounded before comparison: the last bits of a sum depend on nothing that matters
Scores = Mapping[str, Mapping[int, float | None]]  # trial → mark → score; None: the trial failed on the way


@dataclass(frozen=True)
class Standing:
    """A configuration at a mark: mean paired difference (lower is better; None if a trial failed), and whether kept."""

    trials: tuple[str, ...]
    difference: float | None
    kept: bool


@dataclass(frozen=True)
class Rung:
    """A mark: the trials that run to it, and, once all have ended, the standings, best first."""

    mark: int
    trials: tuple[str, ...]
    standings: tuple[Standing, ...] | None


def rungs(trials: Sequence[Trial], halving: Halving, scores: Scores) -> list[Rung]:
    """The rungs as far as the scores decide them; the last one is open unless it is that of the last mark."""
    found: list[Rung] = []
    entrants = list(_configurations(trials, halving.block).values())
    for number, mark in enumerate(halving.marks):
        entered = {name for group in entrants for name in group}
        names = tuple(trial.name for trial in trials if trial.name in entered)
        if any(mark not in scores.get(name, {}) for name in names):
            return [*found, Rung(mark, names, None)]
        last = number == len(halving.marks) - 1
        keep = len(entrants) if last else num_kept(halving.keep[number], len(entrants))
        standings = _standings(entrants, {name: scores[name][mark] for name in names}, keep)
        found.append(Rung(mark, names, standings))
        entrants = [standing.trials for standing in standings if standing.kept]
        if not entrants:
            break
    return found


def uneven_block(trials: Sequence[Trial], block: str) -> str | None:
    """Why the trials cannot be compared within `block`: a configuration lacks a value; None if they can."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        values.setdefault(configuration(trial, block), set()).add(repr(trial.settings[block]))
    if len({frozenset(found) for found in values.values()}) <= 1:
        return None
    return f"trials differ in their values of {block}; write {block} = [0, 1, 2] in [grid], for all of them"


def as_json(decided: Sequence[Rung]) -> list[dict[str, Any]]:
    """halving.json: every decided mark with its standings."""
    return [
        {
            "mark": rung.mark,
            "standings": [
                {"trials": list(one.trials), "difference": one.difference, "kept": one.kept} for one in rung.standings
            ],
        }
        for rung in decided
        if rung.standings is not None
    ]


def _configurations(trials: Sequence[Trial], block: str) -> dict[str, tuple[str, ...]]:
    """Each configuration's trials, in the order of the plan; those of one block stand in the same place in all."""
    groups: dict[str, dict[str, str]] = {}
    for trial in trials:
        groups.setdefault(configuration(trial, block), {})[repr(trial.settings[block])] = trial.name
    order = list(next(iter(groups.values()), {}))
    return {key: tuple(group[value] for value in order) for key, group in groups.items()}


def _standings(
    entrants: Sequence[tuple[str, ...]], scores: Mapping[str, float | None], keep: int
) -> tuple[Standing, ...]:
    """Best first; equal ones in the order of the plan. One with a failed trial is last and not kept."""
    alive = [group for group in entrants if all(scores[name] is not None for name in group)]
    columns = list(zip(*alive, strict=True))
    means = [statistics.fmean(_score(scores, name) for name in column) for column in columns]
    difference = {
        group: round(statistics.fmean(_score(scores, n) - mean for n, mean in zip(group, means, strict=True)), DIGITS)
        for group in alive
    }
    order = sorted(alive, key=lambda group: difference[group])
    failed = [group for group in entrants if group not in difference]
    kept = set(order[:keep])
    return tuple(Standing(group, difference.get(group), group in kept) for group in [*order, *failed])


def _score(scores: Mapping[str, float | None], name: str) -> float:
    score = scores[name]
    assert score is not None
    return score
