"""The contest's rungs: the next trials, the promotions and the winner, as a function of candidates and trials.

    rung 1   every candidate, first seed, few steps     half of the places by own score, the rest by the model
    rung 2   those promoted, first seed, all steps      by ½ own + ½ model, at least two families
    rung 3   the finalists, every seed, all steps       least mean difference to the mean of the finalists

The first rung's model also proposes a few untrained candidates, one decision away from its predicted best. A diverged
training is a result: it counts as the worst of its rung and is not promoted. Lower scores are better. Numbers are
rounded before comparison, and candidates are looked up by name, so that neither the order in which trials end nor the
last bits of a linear solver matter.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from degas.space.graph import Edge, Order, SearchSpace
from degas_lab.contest.candidates import Candidate, built, choices, options
from degas_lab.contest.effects import Model, fit
from degas_lab.contest.scores import diverged, rounded, score_table, with_worst
from degas_lab.trials import TrialRecords

Make = Callable[[str, Order, tuple[Edge, ...]], Candidate | None]  # a new candidate, or None if the cap forbids it
SEES_NEW = 8  # one in this many places of the second rung goes to a new candidate


@dataclass(frozen=True)
class Schedule:
    """`first_steps` of rung 1, `steps` of the others; `promote`: sizes of rungs 2 and 3; `score`: a metric."""

    first_steps: int
    steps: int
    seeds: tuple[int, ...]
    promote: tuple[int, int]
    score: str


@dataclass(frozen=True)
class Wanted:
    """A training to make: candidate, seed, and number of steps."""

    candidate: str
    seed: int
    steps: int


@dataclass
class Outcome:
    """`rungs`: the decided ones, as in rungs.json. `wanted`: trainings of the open rung; `entrants`: its candidates.

    `model` is that of the first rung; `winner` is None while a rung is open.
    """

    candidates: dict[str, Candidate]
    entrants: list[str]
    rungs: list[dict[str, Any]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    model: Model | None = None
    winner: Candidate | None = None


def decide(
    candidates: Sequence[Candidate], records: TrialRecords, schedule: Schedule, space: SearchSpace, make: Make
) -> Outcome:
    """Decide the rungs as far as the trials allow."""
    outcome = Outcome({one.name: one for one in candidates}, [one.name for one in candidates])
    first, last = schedule.seeds[:1], schedule.seeds
    steps = (schedule.first_steps, schedule.steps, schedule.steps)
    judges = (_first_rung, _second_rung, _third_rung)
    for number, (seeds, to, judge) in enumerate(zip((first, first, last), steps, judges, strict=True), 1):
        table = score_table(outcome.entrants, records, seeds, to, schedule.score)
        outcome.wanted = [
            Wanted(name, seed, to) for seed in seeds for name in outcome.entrants if table[name][seed] is None
        ]
        if outcome.wanted:
            return outcome
        entry = {"rung": number, "steps": to, "seeds": list(seeds), "score": schedule.score}
        rung = _Rung(outcome, with_worst(table), diverged(table), schedule, space, make)
        outcome.rungs.append({**entry, **judge(rung)})
    return outcome


@dataclass
class _Rung:
    """A rung with all trainings finished: name → seed → score; diverged ones have the worst."""

    outcome: Outcome
    table: dict[str, dict[int, float]]
    diverged: set[str]
    schedule: Schedule
    space: SearchSpace
    make: Make

    @property
    def own(self) -> dict[str, float]:
        return {name: next(iter(scores.values())) for name, scores in self.table.items()}

    def promoted(self, chosen: Mapping[str, str]) -> None:
        """These enter the next rung."""
        self.outcome.entrants = list(chosen)

    def standing(self, name: str, chosen: Mapping[str, str], **values: Any) -> dict[str, Any]:
        head = {"name": name, "family": self.outcome.candidates[name].family, **values}
        return {**head, "diverged": name in self.diverged, "promoted": name in chosen, "why": chosen.get(name, "")}


def _first_rung(rung: _Rung) -> dict[str, Any]:
    outcome, own = rung.outcome, rung.own
    rows = [choices(outcome.candidates[name], rung.space) for name in own]
    model = outcome.model = fit(options(rung.space), rows, list(own.values()))
    predicted = {name: _predict(model, row) for name, row in zip(own, rows, strict=True)}
    alive = [name for name in own if name not in rung.diverged]
    by_own = sorted(alive, key=lambda name: own[name])
    by_model = sorted(alive, key=lambda name: predicted[name][0])
    places = rung.schedule.promote[0]
    new = _new_candidates(rung, model, by_model[0], places // SEES_NEW)
    chosen = dict.fromkeys(by_own[: math.ceil(places / 2)], "own score")
    for name in by_model:
        if len(chosen) + len(new) < places:
            chosen.setdefault(name, "model")
    standings = [
        rung.standing(name, chosen, own=own[name], model=predicted[name][0], se=predicted[name][1])
        for name in [*by_own, *sorted(rung.diverged)]
    ]
    for one in new:
        outcome.candidates[one.name] = one
        chosen[one.name] = "model, new"
    rung.promoted(chosen)
    return {"standings": standings, "added": [one.to_dict() for one in new]}


def _second_rung(rung: _Rung) -> dict[str, Any]:
    outcome, own, model = rung.outcome, rung.own, rung.outcome.model
    assert model is not None
    predicted = {name: _predict(model, choices(outcome.candidates[name], rung.space)) for name in own}
    alive = [name for name in own if name not in rung.diverged]
    by_score = _standard({name: own[name] for name in alive})
    by_model = _standard({name: predicted[name][0] for name in alive})
    both = {name: rounded((by_score[name] + by_model[name]) / 2) for name in alive}
    order = sorted(alive, key=lambda name: both[name])
    chosen = dict.fromkeys(_of_two_families(order, rung.schedule.promote[1], outcome.candidates), "½ own + ½ model")
    rung.promoted(chosen)
    standings = [
        rung.standing(name, chosen, own=own[name], model=predicted[name][0], se=predicted[name][1], both=both.get(name))
        for name in [*order, *sorted(rung.diverged)]
    ]
    return {"standings": standings}


def _third_rung(rung: _Rung) -> dict[str, Any]:
    """The least mean difference to the finalists' mean; among those within one standard error, the smallest."""
    seeds = rung.schedule.seeds
    means = {seed: statistics.fmean(scores[seed] for scores in rung.table.values()) for seed in seeds}
    differences = {name: [scores[s] - means[s] for s in seeds] for name, scores in rung.table.items()}
    mean = {name: rounded(statistics.fmean(values)) for name, values in differences.items()}
    order = sorted(mean, key=lambda name: (name in rung.diverged, mean[name]))
    best = order[0]
    near = [name for name in order if name not in rung.diverged and _is_near(differences[name], differences[best])]
    winner = min(near, key=lambda name: rung.outcome.candidates[name].num_parameters) if near else best
    why = "least mean" if winner == best else "the smallest within one standard error of the least mean"
    standings = [
        rung.standing(name, {winner: why}, own=mean[name], scores={str(s): rung.table[name][s] for s in seeds})
        for name in order
    ]
    rung.outcome.winner, rung.outcome.entrants = rung.outcome.candidates[winner], [winner]
    return {"standings": standings}


def _predict(model: Model, row: Mapping[str, str]) -> tuple[float, float]:
    value, se = model.predict(row)
    return rounded(value), rounded(se)


def _new_candidates(rung: _Rung, model: Model, best: str, count: int) -> list[Candidate]:
    """The untrained candidates that differ from `best` in one decision and are best by the model."""
    known = {(one.order, one.edges) for one in rung.outcome.candidates.values()}
    start = choices(rung.outcome.candidates[best], rung.space)
    near = [{**start, name: option} for name, names in options(rung.space).items() for option in names]
    found: list[Candidate] = []
    for row in sorted(near, key=lambda row: _predict(model, row)[0]):
        architecture = built(row, rung.space)
        if len(found) < count and architecture not in known:
            made = rung.make(f"n{len(found) + 1}", *architecture)
            if made is not None:
                found.append(made)
                known.add(architecture)
    return found


def _of_two_families(order: Sequence[str], count: int, candidates: Mapping[str, Candidate]) -> list[str]:
    """The first `count`; if all are of one family, the best of another family replaces the last."""
    chosen = list(order[:count])
    families = {candidates[name].family for name in chosen}
    others = [name for name in order[count:] if candidates[name].family not in families]
    return [*chosen[:-1], others[0]] if len(chosen) > 1 and len(families) == 1 and others else chosen


def _standard(values: Mapping[str, float]) -> dict[str, float]:
    """Values minus their mean, in standard deviations; 0 if all are equal."""
    mean, spread = statistics.fmean(values.values()), statistics.pstdev(values.values())
    return {name: (value - mean) / spread if spread > 0 else 0.0 for name, value in values.items()}


def _is_near(values: Sequence[float], best: Sequence[float]) -> bool:
    """Return whether the mean of the paired differences is at most their standard error (0 for one seed)."""
    paired = [value - other for value, other in zip(values, best, strict=True)]
    error = statistics.stdev(paired) / math.sqrt(len(paired)) if len(paired) > 1 else 0.0
    return rounded(statistics.fmean(paired)) <= rounded(error)
