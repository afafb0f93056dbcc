"""Intervals and components, on tables whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from degas_lab.paired import (
    Components,
    by_seed,
    largest_block,
    paired_difference,
    t_probability,
    t_quantile,
    variance_components,
)


def drawn_table(
    rng: np.random.Generator, rows: int, seeds: int, *, row: float = 0.0, seed: float = 0.0, rest: float = 1.0
) -> dict[str, dict[int, float]]:
    values = 40 + row * rng.standard_normal((rows, 1)) + seed * rng.standard_normal((1, seeds))
    values = values + rest * rng.standard_normal((rows, seeds))
    return {f"row{k}": dict(enumerate(map(float, line))) for k, line in enumerate(values)}


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30])
def test_t_is_scipys(freedom: int) -> None:
    for level in (0.6, 0.95, 0.99):
        assert t_quantile(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-8)
    assert t_probability(1.3, freedom) == pytest.approx(1 - 2 * stats.t.sf(1.3, freedom), rel=1e-10)


def test_a_difference_is_taken_within_common_seeds() -> None:
    found = paired_difference({0: 10.0, 1: 20.0, 2: 31.0, 9: 0.0}, {0: 12.0, 1: 23.0, 2: 32.0, 5: 99.0})
    assert found is not None
    interval = stats.ttest_rel([10.0, 20.0, 31.0], [12.0, 23.0, 32.0]).confidence_interval(0.95)
    assert (found.difference, found.num_seeds) == (pytest.approx(-2.0), 3)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.words == "not told apart"


def test_words_say_which_way() -> None:
    other = {seed: float(40 + 5 * seed) for seed in range(4)}
    better = paired_difference({seed: value - 6 + 0.1 * (-1) ** seed for seed, value in other.items()}, other)
    worse = paired_difference({seed: value + 6 + 0.1 * (-1) ** seed for seed, value in other.items()}, other)
    assert better is not None
    assert worse is not None
    assert (better.words, worse.words) == ("better by 6.0", "worse by 6.0")


def test_one_seed_tells_nothing_apart_and_none_is_no_difference() -> None:
    found = paired_difference({0: 1.0}, {0: 50.0})
    assert found is not None
    assert (found.low, found.verdict) == (None, "not told apart")
    assert paired_difference({0: 1.0}, {1: 50.0}) is None


def test_rows_without_a_difference_are_not_told_apart_in_95_of_100_tables() -> None:
    rng, apart = np.random.default_rng(0), 0
    for _ in range(4000):
        table = drawn_table(rng, 2, 5, seed=5.0)
        found = paired_difference(table["row0"], table["row1"])
        assert found is not None
        apart += found.verdict != "not told apart"
    assert apart / 4000 == pytest.approx(0.05, abs=0.01)  # 3 σ


def test_components_are_those_a_table_was_drawn_with() -> None:
    rng = np.random.default_rng(1)
    found = [variance_components(drawn_table(rng, 6, 8, row=3.0, seed=5.0, rest=2.0)) for _ in range(400)]
    means = [np.mean([getattr(one, part) ** 2 for one in found]) for part in ("row", "seed", "rest")]
    assert means == pytest.approx([9.0, 25.0, 4.0], rel=0.12)
    assert variance_components({"a": {0: 1.0, 1: 2.0}}) is None
    assert variance_components({"a": {0: 1.0}, "b": {0: 2.0}}) is None


def test_the_number_of_seeds_gives_the_power_that_it_says() -> None:
    needed = Components(row=3.0, seed=9.0, rest=2.0, num_rows=2, num_seeds=5).seeds_for(3.0)
    rng, seen = np.random.default_rng(2), 0
    for _ in range(2000):
        table = drawn_table(rng, 2, needed, seed=9.0, rest=2.0)
        shifted = {seed: value - 3.0 for seed, value in table["row0"].items()}
        found = paired_difference(shifted, table["row1"])
        assert found is not None
        seen += found.verdict == "better"
    assert 0.78 < seen / 2000 < 0.87  # at least four of five, and not many more than asked for


def test_the_largest_block_leaves_out_rows_that_cost_seeds() -> None:
    full = dict.fromkeys(range(5), 1.0)
    table = {"few": {0: 1.0}, "a": full, "b": full, "c": full}
    assert largest_block(table) == (["a", "b", "c"], [0, 1, 2, 3, 4])
    assert largest_block(by_seed([("a", 0, 1.0)])) == (["a"], [0])
    assert largest_block({}) == ([], [])
