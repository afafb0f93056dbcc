"""The verdict: no difference is claimed where there is none, one that is there is seen, and selection has no say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from degas_lab.contest.verdict import METRICS, Contestant, compare, holm_levels, in_words, verdict

OTHERS = ("found", "random", "resnet", "nearest")


def table(rng: np.random.Generator, shift: float = 0.0, seeds: int = 10) -> dict[str, dict[int, float]]:
    """Scores with a common part a seed; the winner's are better by `shift` standard deviations of the rest."""
    common = rng.normal(0, 5, seeds)
    return {
        name: {1000 + k: 40 + common[k] + rng.normal() - shift * (name == "winner") for k in range(seeds)}
        for name in ("winner", *OTHERS)
    }


def test_a_null_table_is_not_told_apart_in_95_of_100_simulations() -> None:
    """All four comparisons at once, in which one false claim is one too many; 95.4 of 100 are clean in truth."""
    rng = np.random.default_rng(0)
    clean = [
        {one["verdict"] for one in compare(table(rng), "winner", "fid")} == {"not told apart"} for _ in range(2000)
    ]
    assert np.mean(clean) >= 0.95


def test_a_difference_that_is_there_is_seen() -> None:
    rng = np.random.default_rng(1)
    found = [compare(table(rng, shift=2.5), "winner", "fid") for _ in range(50)]
    assert np.mean([all(one["verdict"] == "better" for one in four) for four in found]) > 0.9
    worse = [compare(table(rng, shift=-2.5), "winner", "fid") for _ in range(50)]
    assert np.mean([all(one["verdict"] == "worse" for one in four) for four in worse]) > 0.9


def test_intervals_and_verdicts_agree() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        for one in compare(table(rng, shift=0.8), "winner", "fid"):
            words = "better" if one["high"] < 0 else "worse" if one["low"] > 0 else "not told apart"
            assert one["verdict"] == words
            assert one["low"] <= one["difference"] <= one["high"]


def test_holms_levels_step_down_and_stop() -> None:
    levels = holm_levels({"a": 0.001, "b": 0.02, "c": 0.018, "d": 0.9})
    assert levels["a"] == pytest.approx(1 - 0.05 / 4)
    assert levels["c"] == levels["b"] == levels["d"] == pytest.approx(1 - 0.05 / 3)  # 0.018 > 0.05 / 3: stopped
    assert holm_levels({"a": 0.03}) == {"a": pytest.approx(0.95)}


def test_one_comparison_is_students() -> None:
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    rows = {name: scores for name, scores in table(rng).items() if name in ("winner", "resnet")}
    (one,) = compare(rows, "winner", "fid")
    values = np.array(list(rows["winner"].values())) - np.array(list(rows["resnet"].values()))
    low, high = scipy.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (one["low"], one["high"]) == (pytest.approx(low), pytest.approx(high))


def records(scores: dict[str, dict[int, float | None]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, of_name in scores.items():
        for seed, value in of_name.items():
            history = [] if value is None else [{"steps": 10, "fid": value, "kid": value / 1000}]
            made[f"{name}-s{seed}"] = {"history": history} | ({"failed": "nan"} if value is None else {})
    return made


def judged(scores: dict[str, dict[int, float | None]]) -> dict[str, Any]:
    seeds = tuple(sorted({seed for of_name in scores.values() for seed in of_name if seed >= 1000}))
    return verdict(records(scores), Contestant("winner", "c1"), [Contestant("resnet", "resnet")], seeds=seeds, steps=10)


def test_the_file_has_the_contracts_form_and_lower_is_better() -> None:
    found = judged({"c1": {1000: 30.0, 1001: 31.0, 1002: 29.0}, "resnet": {1000: 36.0, 1001: 36.5, 1002: 35.8}})
    assert list(found) == ["comparisons", "equal_time"]
    assert [one["metric"] for one in found["comparisons"]] == list(METRICS)
    first = found["comparisons"][0]
    assert list(first) == ["against", "metric", "difference", "low", "high", "num_seeds", "verdict"]
    assert first["difference"] == pytest.approx(-6.1)
    assert (first["against"], first["num_seeds"], first["verdict"]) == ("resnet", 3, "better")


def test_selections_seeds_never_enter() -> None:
    """Whatever the scores were that chose the winner, the verdict is the same; and they cannot be asked for."""
    fresh: dict[str, dict[int, float | None]] = {"c1": {1000: 30.0, 1001: 31.0}, "resnet": {1000: 36.0, 1001: 36.5}}
    lucky = {"c1": {**fresh["c1"], 0: 1.0, 1: 1.0, 2: 1.0}, "resnet": {**fresh["resnet"], 0: 99.0, 1: 99.0, 2: 99.0}}
    assert judged(lucky) == judged(fresh)
    with pytest.raises(ValueError, match="seeds below 1000 chose the winner"):
        verdict(records(lucky), Contestant("winner", "c1"), [], seeds=(2, 1000), steps=10)


def test_one_that_diverges_has_the_worst_score_and_one_seed_says_nothing() -> None:
    found = judged({"c1": {1000: 30.0, 1001: None}, "resnet": {1000: 36.0, 1001: 37.0}})
    assert found["comparisons"][0]["difference"] == pytest.approx((30 - 36 + 37 - 37) / 2)
    assert judged({"c1": {1000: 30.0}, "resnet": {1000: 36.0}}) == {"comparisons": [], "equal_time": []}


def test_the_verdict_in_words() -> None:
    one = {"against": "resnet", "metric": "fid", "difference": -3.1, "low": -5.0, "high": -1.2, "num_seeds": 10}
    assert in_words({**one, "verdict": "better"}) == "better than resnet by 3.1 (fid, 1.2 to 5, 10 seeds)"
    apart = {**one, "high": 0.4, "verdict": "not told apart"}
    assert in_words(apart) == "not told apart from resnet (fid: the difference is smaller than 5, 10 seeds)"


def timed(scores: dict[int, list[float]], seconds_per_step: float) -> dict[str, Any]:
    """Records of trainings of 100 steps, scored at 70, 80, 90 and 100."""
    return {
        f"s{seed}": {
            "history": [
                {"steps": steps, "fid": value, "kid": value / 1000, "processor_seconds": seconds_per_step * steps}
                for steps, value in zip((70, 80, 90, 100), values, strict=True)
            ]
        }
        for seed, values in scores.items()
    }


def at_equal_time(own: dict[str, Any], other: dict[str, Any]) -> list[dict[str, Any]]:
    made = {f"c1-{key}": record for key, record in own.items()} | {f"resnet-{key}": r for key, r in other.items()}
    seeds = tuple(int(key[1:]) for key in own)
    found = verdict(made, Contestant("winner", "c1"), [Contestant("resnet", "resnet")], seeds=seeds, steps=100)
    return [one for one in found["equal_time"] if one["metric"] == "fid"]


def test_at_equal_processor_time_the_slower_one_is_scored_earlier() -> None:
    """The winner's steps take 1.25 times as long: after 80 steps it has used as much as the other after 100."""
    falls = {1000: [40.0, 36.0, 32.0, 30.0], 1001: [41.0, 37.0, 33.0, 31.0]}
    (one,) = at_equal_time(timed(falls, 0.125), timed(falls, 0.1))
    assert (one["time_ratio"], one["steps"]) == (1.25, [80, 100])
    assert one["difference"] == pytest.approx(36 - 30)
    (one,) = at_equal_time(timed(falls, 0.1), timed(falls, 0.125))
    assert (one["time_ratio"], one["steps"], one["difference"]) == (0.8, [100, 80], pytest.approx(30 - 36))


def test_on_a_gpu_the_wall_clock_compares() -> None:
    """Processor seconds are those of the process that gives the GPU its work."""
    falls = {1000: [40.0, 36.0, 32.0, 30.0], 1001: [41.0, 37.0, 33.0, 31.0]}
    own, other = timed(falls, 0.1), timed(falls, 0.1)
    for records, rate in ((own, 0.125), (other, 0.1)):
        for record in records.values():
            record["device"] = "cuda"
            for mark in record["history"]:
                mark["seconds"] = rate * mark["steps"]
    (one,) = at_equal_time(own, other)
    assert (one["time_ratio"], one["steps"]) == (1.25, [80, 100])


def test_between_two_marks_the_score_is_on_the_line_between_them() -> None:
    falls = {1000: [40.0, 36.0, 32.0, 30.0], 1001: [41.0, 37.0, 33.0, 31.0]}
    (one,) = at_equal_time(timed(falls, 0.1 / 0.95), timed(falls, 0.1))
    assert one["steps"] == [95, 100]
    assert one["difference"] == pytest.approx(31 - 30)


def test_one_that_is_too_slow_to_have_been_scored_in_time_is_not_compared() -> None:
    falls = {1000: [40.0, 36.0, 32.0, 30.0], 1001: [41.0, 37.0, 33.0, 31.0]}
    assert at_equal_time(timed(falls, 0.2), timed(falls, 0.1)) == []


def test_a_busy_machine_in_one_seed_does_not_move_the_steps() -> None:
    falls = {seed: [40.0, 36.0, 32.0, 30.0] for seed in (1000, 1001, 1002)}
    own = timed(falls, 0.1)
    own["s1001"] = timed({1001: falls[1001]}, 0.5)["s1001"]
    (one,) = at_equal_time(own, timed(falls, 0.1))
    assert one["steps"] == [100, 100]
