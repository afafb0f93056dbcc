"""The tables written from trials: means, intervals, paired differences, costs, the printed numbers."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from degas_lab.paper.runner import step_seconds, total_seconds
from degas_lab.paper.summary import format_summary, in_words, mean_and_interval, summarise

T_OF_TWO = 4.302653  # the two-sided 95 % quantile with two degrees of freedom, from tables


def record(row: str, seed: int, fid: float, **more: Any) -> dict[str, Any]:
    scores = {"fid_5k_train[imagenet]": {"value": fid, "std": None}, "is_5k": {"value": fid / 10, "std": 0.1}}
    facts = {"num_stages": 3, "noise_size": 128}
    cost = {"seconds": 3600.0, "device": "cpu", "num_threads": 2}
    return {
        "kind": "row",
        "row": row,
        "seed": seed,
        "scores": scores,
        "architecture": facts,
        "num_parameters": 9,
        **cost,
        **more,
    }


def records() -> dict[str, dict[str, Any]]:
    found = {f"cifar10-degas-s{s}": record("cifar10-degas", s, fid) for s, fid in ((0, 10.0), (1, 12.0), (2, 20.0))}
    found |= {f"cifar10-random-s{s}": record("cifar10-random", s, fid) for s, fid in ((0, 15.0), (1, 17.1), (2, 24.9))}
    found["cifar10-degas-n2-s0"] = {"failed": "loss is nan"}
    for seed, operation in ((0, "skip"), (1, "skip"), (2, "conv_3x3")):
        nodes = {"N1": [{"from": "U0", "operation": operation}], "U1": [{"from": "N1", "operation": "deconv_4x4"}]}
        cost = {"seconds": 1800.0, "device": "cuda", "num_threads": 8}
        found[f"search-cifar10-s{seed}"] = {"kind": "search", "seed": seed, "loss": 0.4, "nodes": nodes, **cost}
    return found


def test_mean_and_half_of_the_interval() -> None:
    values = [10.0, 12.0, 20.0]
    found = mean_and_interval(values)
    assert found is not None
    assert found["mean"] == 14
    assert found["half"] == pytest.approx(T_OF_TWO * statistics.stdev(values) / math.sqrt(3), rel=1e-6)
    assert mean_and_interval([1.0]) == {"mean": 1.0, "half": None, "num_seeds": 1}
    assert mean_and_interval([]) is None


def test_rows_are_compared_within_seeds_and_stand_beside_the_papers() -> None:
    rows = {row["row"]: row for row in summarise("4", records())["rows"]}
    assert rows["cifar10-degas"]["scores"]["fid"]["mean"] == 14
    assert rows["cifar10-degas"]["paper"]["is"] == "8.37 ± 0.08"
    assert rows["cifar10-random"]["paper"]["fid"] == "15.312"
    half = T_OF_TWO * statistics.stdev([5.0, 5.1, 4.9]) / math.sqrt(3)
    against = {"difference": pytest.approx(5.0), "low": pytest.approx(5 - half), "high": pytest.approx(5 + half)}
    assert rows["cifar10-random"]["against"] == {**against, "verdict": "worse by 5.0"}
    assert rows["cifar10-degas"]["against"] is None
    assert rows["cifar10-degas-n2"] == {**rows["cifar10-degas-n2"], "seeds": [], "diverged": 1}
    assert rows["cifar10-resnet-equal"]["seeds"] == []


def test_a_rows_name_that_begins_anothers_is_not_counted_for_it() -> None:
    rows = {row["row"]: row for row in summarise("4", records())["rows"]}
    assert rows["cifar10-degas"]["diverged"] == 0


def test_searches_show_what_their_seeds_share() -> None:
    (search, *_) = summarise("4", records())["searches"]
    assert [one["seed"] for one in search["found"]] == [0, 1, 2]
    assert search["shared_edges"] == pytest.approx((2 + 1 + 1) / 3)


def test_the_table_in_markdown() -> None:
    text = format_summary(summarise("4", records()))
    assert "| cifar10-degas | 3 | 1.40 ± " in text
    assert "0.021 GPU-days | 2.00 core-hours | 8.37 ± 0.08 | 12.01 |" in text
    assert "| cifar10-degas-n2 | 0, 1 diverged |" in text
    assert "Protocols: fid_5k_train[imagenet], is_5k." in text
    assert "AutoGAN" in format_summary(summarise("1", {}))


def test_a_difference_is_shown_with_its_interval() -> None:
    assert "worse by 5.0 (4.8 to 5.2)" in format_summary(summarise("4", records()))
    assert in_words({"verdict": "not told apart", "low": -1.0, "high": 2.0}) == "not told apart (−1.0 to 2.0)"
    assert in_words({"verdict": "not told apart", "low": None, "high": None}) == "not told apart"


def test_times_add_up_over_interruptions() -> None:
    assert total_seconds([{"seconds": s} for s in (1.0, 5.0, 2.0, 3.0)]) == 8.0
    assert total_seconds([]) == 0
    steps = [{"step": 1, "seconds_per_step": 4.0}, {"step": 11, "seconds_per_step": 0.5}]
    assert step_seconds(steps) == 9.0
