"""The rungs: a pure function of candidates and trials, which finds what is better and lets nothing else decide."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from contest_tables import SPACE, candidates, known_score, record, search

from degas.errors import UserError
from degas_lab.contest.candidates import Candidate
from degas_lab.contest.propose import Proposer
from degas_lab.contest.rungs import Outcome, Schedule, decide
from degas_lab.contest.scores import trial_name

SCHEDULE = Schedule(first_steps=4, steps=10, seeds=(0, 1, 2), promote=(8, 3), score="fid")
Score = Callable[[Candidate, int], float | None]


def make(name: str, order: Any, edges: Any) -> Candidate | None:
    return Proposer(search(), SPACE).candidate(name, order, edges, "model")


def step(records: dict[str, Any], made: list[Candidate], schedule: Schedule = SCHEDULE) -> Outcome:
    return decide(made, records, schedule, SPACE, make)


def play(
    score: Score = known_score, schedule: Schedule = SCHEDULE, shuffle: int | None = None, made: Any = None
) -> tuple[Outcome, dict[str, Any]]:
    """The whole contest, one trial at a time; with `shuffle` in another order each time."""
    made = made or candidates(24, 12)
    records: dict[str, Any] = {}
    while True:
        outcome = step(records, made, schedule)
        if not outcome.wanted:
            return outcome, records
        wanted = list(outcome.wanted)
        if shuffle is not None:
            random.Random(shuffle + len(records)).shuffle(wanted)
        first = wanted[0]
        found = record(score(outcome.candidates[first.candidate], first.seed))
        if first.steps == 4 and "failed" not in found:
            found["history"] = found["history"][:1]
        name = trial_name(first.candidate, first.seed)
        records = {name: found, **{other: value for other, value in records.items() if other != name}}


def as_bytes(outcome: Outcome) -> bytes:
    return json.dumps(outcome.rungs).encode()


def test_the_order_in_which_trials_end_changes_nothing() -> None:
    plain, records = play()
    for seed in (1, 2):
        assert as_bytes(play(shuffle=seed)[0]) == as_bytes(plain)
    assert as_bytes(step(dict(sorted(records.items(), reverse=True)), candidates(24, 12))) == as_bytes(plain)
    assert as_bytes(step(json.loads(json.dumps(records)), candidates(24, 12))) == as_bytes(plain)


def test_what_is_decided_stays_as_trials_go_on() -> None:
    """Every prefix of the trials decides the same as all of them, as far as it reaches."""
    outcome, records = play()
    whole = outcome.rungs
    names = list(reversed(records))
    for count in range(0, len(names), 5):
        part = step({name: records[name] for name in names[:count]}, candidates(24, 12)).rungs
        assert part == whole[: len(part)]


def test_it_trains_what_the_plan_says() -> None:
    outcome, records = play()
    first, second, third = outcome.rungs
    assert (len(first["standings"]), len(second["standings"]), len(third["standings"])) == (24, 8, 3)
    reasons = [one["why"] for one in first["standings"] if one["promoted"]]
    assert (reasons.count("own score"), reasons.count("model"), len(first["added"])) == (4, 3, 1)
    assert len(records) == 24 + 1 + 3 * 2
    assert first["added"][0]["proposed_by"] == "model"
    assert sum(one["promoted"] for one in third["standings"]) == 1


def test_a_new_candidate_differs_in_one_decision_from_the_models_best() -> None:
    from degas_lab.contest.candidates import choices

    outcome, _ = play()
    best = min(outcome.rungs[0]["standings"], key=lambda one: one["model"])["name"]
    new = Candidate.from_dict(outcome.rungs[0]["added"][0])
    pairs = zip(choices(new, SPACE).values(), choices(outcome.candidates[best], SPACE).values(), strict=True)
    assert sum(one != other for one, other in pairs) == 1


def test_the_winner_is_of_the_best() -> None:
    outcome, _ = play()
    assert outcome.winner is not None
    scores = sorted(known_score(one, 0) for one in outcome.candidates.values())
    assert known_score(outcome.winner, 0) <= scores[2]
    assert not any(edge.operation.startswith("deconv") for edge in outcome.winner.edges)


def test_a_training_that_diverges_is_a_result() -> None:
    """It has the worst score of its rung, is not promoted and is never trained again."""
    made = candidates(24, 12)
    best = min(made, key=lambda one: known_score(one, 0))

    def score(one: Candidate, seed: int) -> float | None:
        return None if one == best else known_score(one, seed)

    outcome, records = play(score)
    first = outcome.rungs[0]["standings"]
    assert (first[-1]["name"], first[-1]["diverged"], first[-1]["promoted"]) == (best.name, True, False)
    assert first[-1]["own"] == max(one["own"] for one in first)
    assert [name for name in records if name.startswith(f"{best.name}-")] == [f"{best.name}-s0"]


def test_one_that_diverges_later_is_worst_there() -> None:
    outcome, records = play()
    second = outcome.rungs[1]["standings"][0]["name"]
    records[f"{second}-s0"] = {**records[f"{second}-s0"], "failed": "loss is nan"}
    records[f"{second}-s0"]["history"] = records[f"{second}-s0"]["history"][:1]
    after = step(records, candidates(24, 12))
    assert after.rungs[0] == outcome.rungs[0]
    last = after.rungs[1]["standings"][-1]
    assert (last["name"], last["diverged"], last["promoted"], last["both"]) == (second, True, False, None)


def test_a_rung_in_which_all_diverge_ends_the_contest() -> None:
    with pytest.raises(UserError, match="every training of this rung diverged; lower"):
        play(lambda one, seed: None)


def test_finalists_are_of_two_families() -> None:
    """A score that is the family's own would send one family alone."""

    def score(one: Candidate, seed: int) -> float:
        return 10.0 + one.num_parameters / 1e6 if "nearest" in one.family else 50 + one.num_parameters / 1e6

    outcome, _ = play(score, Schedule(4, 10, (0,), (12, 2), "fid"))
    assert len({one["family"] for one in outcome.rungs[2]["standings"]}) == 2


def test_within_one_standard_error_the_smaller_wins() -> None:
    outcome, records = play()
    names = [one["name"] for one in outcome.rungs[2]["standings"]]
    sizes = {name: outcome.candidates[name].num_parameters for name in names}
    small = min(sizes, key=lambda name: sizes[name])
    big = max(sizes, key=lambda name: sizes[name])
    values = dict.fromkeys(names, (30.0, 30.0, 30.0))
    values[small], values[big] = (20.0, 24.0, 22.0), (21.0, 21.0, 23.0)  # big leads by a third, give or take
    for name in names:
        for seed in (0, 1, 2):
            records[f"{name}-s{seed}"] = {**records[f"{name}-s0"], "history": record(values[name][seed])["history"]}
    third = step(records, candidates(24, 12)).rungs[2]["standings"]
    winner = next(one for one in third if one["promoted"])
    assert (third[0]["name"], winner["name"]) == (big, small)
    assert winner["why"] == "the smallest within one standard error of the least mean"


def test_a_finalist_that_diverges_with_one_seed_does_not_win() -> None:
    """However good it is with the others: its mean over all seeds, with the worst score of the rung, is the best."""
    outcome, records = play()
    names = [one["name"] for one in outcome.rungs[2]["standings"]]
    for name, value in zip(names, (20.0, 30.0, 31.0), strict=True):
        for seed in (0, 1, 2):
            records[f"{name}-s{seed}"] = {**records[f"{name}-s0"], "history": record(value)["history"]}
    records[f"{names[0]}-s2"] = record(None)
    third = step(records, candidates(24, 12)).rungs[2]["standings"]
    assert [(one["name"], one["diverged"], one["promoted"]) for one in third if one["promoted"] or one["diverged"]] == [
        *((names[1], False, True), (names[0], True, False)),
    ]


def test_a_seed_that_moves_all_alike_decides_nothing() -> None:
    plain, _ = play()
    shifted, _ = play(lambda one, seed: known_score(one, seed) + 100 * seed)
    assert [one["own"] for one in shifted.rungs[2]["standings"]] == pytest.approx(
        [one["own"] for one in plain.rungs[2]["standings"]], abs=1e-3
    )
