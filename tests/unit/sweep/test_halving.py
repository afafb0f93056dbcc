"""Halving by paired seeds, against a slow twin, and for every order in which trials can end."""

from __future__ import annotations

import random
import statistics

import pytest

from degas.sweep.halving import Scores, as_json, rungs, uneven_block
from degas.sweep.outcomes import Ended, Marks, table, waiting_jobs
from degas.sweep.plan import Halving, Plan, Trial, make_trials, num_kept

MARKS = (10, 20, 40)


def trials_of(num_widths: int, num_seeds: int) -> tuple[Trial, ...]:
    return make_trials({}, {"width": list(range(num_widths)), "seed": list(range(num_seeds))}, [])


def plan_of(num_widths: int, num_seeds: int, keep: float = 0.5) -> Plan:
    return Plan(("run",), trials_of(num_widths, num_seeds), Halving(MARKS, (keep, keep)))


def scored(trials: tuple[Trial, ...], seed: int, fail: float = 0.0) -> dict[str, dict[int, float | None]]:
    """A score for each trial and mark: a seed's own offset, which is far larger than the differences of widths."""
    rng = random.Random(seed)
    offset = {trial.settings["seed"]: rng.uniform(0, 1000) for trial in trials}
    return {
        t.name: {m: None if rng.random() < fail else offset[t.settings["seed"]] + rng.uniform(0, 1) for m in MARKS}
        for t in trials
    }


def survivors_by_hand(plan: Plan, scores: Scores) -> list[set[int]]:
    """Slow twin: the widths that enter each mark, by comparing every pair of widths within each seed."""
    assert plan.halving is not None
    seeds = sorted({trial.settings["seed"] for trial in plan.trials})
    name = {(trial.settings["width"], trial.settings["seed"]): trial.name for trial in plan.trials}
    entrants = sorted({trial.settings["width"] for trial in plan.trials})
    found = []
    for number, mark in enumerate(plan.halving.marks):
        found.append(set(entrants))
        if number == len(plan.halving.keep):
            return found
        alive = [w for w in entrants if all(scores[name[w, s]][mark] is not None for s in seeds)]

        def against_all(width: int) -> float:
            pairs = [scores[name[width, s]][mark] - scores[name[o, s]][mark] for o in alive for s in seeds]  # type: ignore[operator]  # noqa: B023
            return statistics.fmean(pairs)

        wanted = num_kept(plan.halving.keep[number], len(entrants))
        entrants = sorted(sorted(alive, key=against_all)[:wanted])
        if not entrants:
            return found
    return found


@pytest.mark.parametrize("fail", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(10))
def test_the_best_paired_differences_continue(seed: int, fail: float) -> None:
    plan = plan_of(9, 3)
    scores = scored(plan.trials, seed, fail)
    width = {trial.name: trial.settings["width"] for trial in plan.trials}
    assert plan.halving is not None
    found = rungs(plan.trials, plan.halving, scores)
    assert [{width[name] for name in rung.trials} for rung in found] == survivors_by_hand(plan, scores)


def test_a_common_seed_cancels_where_a_mean_would_not_see_it() -> None:
    trials = trials_of(2, 2)
    offset = {0: 0.0, 1: 100.0}
    scores = {t.name: {10: offset[t.settings["seed"]] + t.settings["width"]} for t in trials}
    rung = rungs(trials, Halving((10, 20), (1,)), scores)[0]
    assert rung.standings is not None
    assert [(one.trials[0], one.difference, one.kept) for one in rung.standings] == [
        ("width=0,seed=0", -0.5, True),
        ("width=1,seed=0", 0.5, False),
    ]


def test_a_configuration_with_a_failed_trial_is_last_and_ends_even_where_places_are_left() -> None:
    trials = trials_of(2, 2)
    scores: dict[str, dict[int, float | None]] = {t.name: {10: 1.0} for t in trials}
    scores["width=0,seed=1"][10] = None
    rung, after = rungs(trials, Halving((10, 20), (2,)), scores)
    assert rung.standings is not None
    assert [(one.difference, one.kept) for one in rung.standings] == [(0.0, True), (None, False)]
    assert after.trials == ("width=1,seed=0", "width=1,seed=1")


def test_if_all_fail_nothing_continues() -> None:
    plan = plan_of(2, 1)
    assert plan.halving is not None
    found = rungs(plan.trials, plan.halving, {t.name: {10: None} for t in plan.trials})
    assert len(found) == 1
    ended: dict[str, Marks] = {t.name: {10: Ended("failed", 1, 3, 0.0, {})} for t in plan.trials}
    assert waiting_jobs(plan, ended) == []
    assert {row["status"] for row in table(plan, ended)} == {"failed"}


def test_a_rung_is_open_until_all_its_trials_have_ended() -> None:
    plan = plan_of(3, 2)
    assert plan.halving is not None
    scores = scored(plan.trials, 0)
    del scores["width=2,seed=1"]
    found = rungs(plan.trials, plan.halving, scores)
    assert (len(found), found[0].standings) == (1, None)
    assert as_json(found) == []


def simulated(plan: Plan, scores: Scores, order: random.Random) -> tuple[list[dict[str, object]], int]:
    """Run a plan on simulated places: at every turn a random one of the started trials ends. Returns table and jobs."""
    ended: dict[str, Marks] = {}
    num_places, running, count = order.randint(1, 7), [], 0
    while waiting := waiting_jobs(plan, ended):
        running += [job for job in waiting if job not in running][: num_places - len(running)]
        job = running.pop(order.randrange(len(running)))
        value = scores[job.trial.name][job.mark]
        status = "done" if value is not None else "failed"
        found = {} if value is None else {"fid": {"value": value}}
        ended.setdefault(job.trial.name, {})[job.mark] = Ended(status, 0, 1, order.random(), found)
        count += 1
    return table(plan, ended), count


@pytest.mark.parametrize("fail", [0.0, 0.2])
def test_the_table_is_the_same_whatever_the_order_in_which_trials_end(fail: float) -> None:
    plan = plan_of(6, 2)
    scores = scored(plan.trials, 1, fail)
    first, count = simulated(plan, scores, random.Random(0))
    assert {row["status"] for row in first} >= {"done", "dropped"}
    for seed in range(1, 30):
        assert simulated(plan, scores, random.Random(seed)) == (first, count)


def test_every_configuration_needs_the_same_seeds() -> None:
    trials = trials_of(2, 2)
    assert uneven_block(trials, "seed") is None
    said = uneven_block(trials[:-1], "seed")
    assert said == "trials differ in their values of seed; write seed = [0, 1, 2] in [grid], for all of them"
