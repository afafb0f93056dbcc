"""The rungs of a contest of critics on made-up trials, equal-time steps, the candidates, and the verdict."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from degas.errors import UserError
from degas.space.critic import CriticLayout, CriticStage
from degas_lab.contest.rungs import Schedule
from degas_lab.critics import paces
from degas_lab.critics.candidates import candidates
from degas_lab.critics.paces import equal_time_steps
from degas_lab.critics.rungs import critic_verdict, decide, steps_in

SCHEDULE = Schedule(30, 100, (0, 1, 2), (4, 2), "fid")
STEPS = {f"c{k}": 100 + 10 * k for k in range(8)}


def record(steps: int, score: float, *marks: int, failed: bool = False) -> dict[str, Any]:
    history = [{"steps": mark, "fid": score, "kid": score / 1000} for mark in (*marks, steps)]
    made = {"steps": steps, "history": [] if failed else history, "processor_seconds": 10.0}
    return {**made, "failed": "it diverged"} if failed else made


def play(truth: dict[str, float], noise: Any = lambda name, seed: 0.0, failed: tuple[str, ...] = ()) -> Any:
    """Make the wanted trials until there is a winner; return records and outcome."""
    records: dict[str, Any] = {}
    while (outcome := decide(STEPS, records, SCHEDULE)).wanted:
        for one in outcome.wanted:
            score = truth[one.candidate] + noise(one.candidate, one.seed)
            first = steps_in(1, STEPS[one.candidate], SCHEDULE)
            marks = (first,) if one.steps > first and one.seed == 0 else ()
            records[f"{one.candidate}-s{one.seed}"] = record(one.steps, score, *marks, failed=one.candidate in failed)
    return records, outcome


TRUTH = {name: 50.0 - k for k, name in enumerate(STEPS)}


def test_without_noise_the_best_wins_in_three_rungs() -> None:
    _, outcome = play(TRUTH)
    assert outcome.winner == "c7"
    assert [len(rung["standings"]) for rung in outcome.rungs] == [8, 4, 2]
    assert [rung["seeds"] for rung in outcome.rungs] == [[0], [0], [0, 1, 2]]
    assert [one["name"] for one in outcome.rungs[1]["standings"]] == ["c7", "c6", "c5", "c4"]


def test_each_critic_has_its_own_marks() -> None:
    outcome = decide(STEPS, {}, SCHEDULE)
    assert {one.candidate: one.steps for one in outcome.wanted} == {
        name: round(0.3 * steps) for name, steps in STEPS.items()
    }
    assert steps_in(1, 2, SCHEDULE) == 1
    assert [steps_in(rung, 150, SCHEDULE) for rung in (1, 2, 3)] == [45, 150, 150]
    first = {f"{name}-s0": record(one, 50.0) for name, one in ((k, round(0.3 * v)) for k, v in STEPS.items())}
    second = decide(STEPS, first, SCHEDULE).wanted  # from there to the end
    assert [one.steps for one in second] == [STEPS[one.candidate] for one in second] != []


def test_a_common_seed_effect_decides_nothing() -> None:
    _, outcome = play(TRUTH, lambda name, seed: 100.0 * seed)
    assert outcome.winner == "c7"


def test_a_diverged_training_is_the_worst_and_is_not_promoted() -> None:
    _, outcome = play(TRUTH, failed=("c7",))
    first = outcome.rungs[0]["standings"][-1]
    assert (first["name"], first["diverged"], first["promoted"]) == ("c7", True, False)
    assert outcome.winner == "c6"


def test_a_finalist_that_diverges_with_one_seed_does_not_win() -> None:
    """Though its mean over all seeds, with the worst score of the rung, is the best."""
    records, _ = play({**TRUTH, "c7": 10.0})
    records["c7-s2"] = record(STEPS["c7"], 10.0, failed=True)
    outcome = decide(STEPS, records, SCHEDULE)
    assert [one["difference"] < 0 for one in outcome.rungs[2]["standings"]] == [False, True]
    assert outcome.winner == "c6"


def test_the_order_in_which_trials_end_does_not_matter() -> None:
    rng = random.Random(0)
    records, outcome = play(TRUTH, lambda name, seed: rng.gauss(0, 5))
    for _ in range(5):
        names = list(records)
        rng.shuffle(names)
        again = decide(STEPS, {name: records[name] for name in names}, SCHEDULE)
        assert (again.rungs, again.winner) == (outcome.rungs, outcome.winner)


def test_selection_never_sees_the_verdicts_seeds_nor_the_verdict_the_selections() -> None:
    records, outcome = play(TRUTH)
    hostile = {f"{name}-s{seed}": record(STEPS[name], -1e6) for name in STEPS for seed in (1000, 1001)}
    again = decide(STEPS, {**records, **hostile}, SCHEDULE)
    assert (again.rungs, again.winner) == (outcome.rungs, outcome.winner)
    with pytest.raises(ValueError, match="seeds below 1000 chose the winner"):
        critic_verdict(records, "c7", ["c0"], STEPS, (2, 1000))
    alone = critic_verdict(hostile, "c7", ["c0"], STEPS, (1000, 1001))
    assert critic_verdict({**records, **hostile}, "c7", ["c0"], STEPS, (1000, 1001)) == alone
    assert {one["verdict"] for one in alone["comparisons"]} == {"not told apart"}


def test_equal_critics_are_seldom_told_apart_and_a_real_difference_is_seen() -> None:
    """The whole way, selection included, on trials without any difference: at most 5 % are called one."""
    seeds, rng, told, seen = tuple(range(1000, 1010)), random.Random(1), 0, 0
    for _ in range(200):
        records, outcome = play(dict.fromkeys(STEPS, 50.0), lambda name, seed: rng.gauss(0, 3))
        other = next(name for name in STEPS if name != outcome.winner)
        for name, better in ((outcome.winner, 5.0), (other, 0.0)):
            for seed in seeds:
                records[f"{name}-s{seed}"] = record(STEPS[name], 50.0 + rng.gauss(0, 3))
                records[f"{name}-s{seed}"]["history"][-1]["kid"] = 40.0 - better + rng.gauss(0, 3)
        verdicts = {
            one["metric"]: one["verdict"]
            for one in critic_verdict(records, outcome.winner, [other], STEPS, seeds)["comparisons"]
        }
        told += verdicts["fid"] != "not told apart"
        seen += verdicts["kid"] == "better"
    assert told <= 20  # of 200 at 5 %: 10 ± 3 σ
    assert seen >= 150


@pytest.mark.parametrize(("device", "ratio"), [("cpu", 0.5), ("cuda", 2.0)])
def test_the_verdict_says_how_equal_the_times_were(device: str, ratio: float) -> None:
    """By processor seconds, and on a GPU by the wall clock."""
    records = {}
    for seed in (1000, 1001):
        for name, processor, wall in (("c7", 10.0, 40.0), ("c0", 20.0, 20.0)):
            times = {"processor_seconds": processor, "seconds": wall, "device": device}
            records[f"{name}-s{seed}"] = {**record(STEPS[name], 40.0 + seed), **times}
    found = critic_verdict(records, "c7", ["c0"], STEPS, (1000, 1001))["comparisons"]
    assert [one["time_ratio"] for one in found] == [ratio, ratio]


def test_steps_take_equal_time_within_bounds() -> None:
    found = equal_time_steps({"resnet": 2.0, "slow": 4.0, "fast": 1.0, "tiny": 0.1, "huge": 100.0}, "resnet", 100)
    assert found == {"resnet": 100, "slow": 50, "fast": 200, "tiny": 400, "huge": 25}


@pytest.mark.parametrize(("device", "clock"), [("cpu", "processor"), ("cuda", "wall")])
def test_a_pace_is_the_median_of_the_turns_after_the_first(
    device: str, clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([9.0, 90.0, 1.0, 10.0, 3.0, 30.0, 2.0, 20.0])  # a, b, a, b, …
    both: Any = SimpleNamespace(engine=SimpleNamespace(device=SimpleNamespace(type=device)), both=lambda turn: None)
    watch = SimpleNamespace(start=lambda: None, stop=lambda: {"processor": -1.0, "wall": -1.0, clock: next(told)})
    monkeypatch.setattr(paces, "Stopwatch", lambda device: watch)
    assert paces.paces({"a": both, "b": both}, rounds=3) == {"a": 2.0, "b": 20.0}


def test_candidates_are_different_and_begin_with_the_default(tmp_path: Path) -> None:
    mine = CriticLayout((CriticStage("max_pool"), CriticStage("blur_pool", ("conv_1x1",))))
    mine.save(tmp_path / "mine.json")
    found = candidates([str(tmp_path / "mine.json"), "resnet"], 8, number=6, num_normal=1, seed=0)
    assert [one.proposed_by for one in found] == ["default", "given", *["draw"] * 4]  # resnet is there already
    assert found[1].layout == mine
    assert len({one.layout.digest for one in found}) == 6
    assert (
        candidates([], 8, number=6, num_normal=1, seed=0)[1:] != candidates([], 8, number=6, num_normal=1, seed=9)[1:]
    )
    drawn = [candidates([], 32, number=9, num_normal=2, seed=seed) for seed in (0, 1)]
    first, second = ({one.layout.digest for one in each} for each in drawn)
    assert len(first & second) == 1  # contests with seeds next to each other share the default and no draw
    with pytest.raises(UserError, match="--critics: 1 files and resnet are more than --num-candidates 1; raise it"):
        candidates([str(tmp_path / "mine.json")], 8, number=1, num_normal=1, seed=0)
    with pytest.raises(UserError, match="--critics: unknown critic 'resnett'"):
        candidates(["resnett"], 8, number=2, num_normal=1, seed=0)
