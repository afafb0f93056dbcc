"""τ against scipy, the interval against what it promises, and which values meet."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.stats import kendalltau

from degas_lab.trainings import rank_statistics as module
from degas_lab.trainings.rank_statistics import bootstrap_interval, correlation, kendall_tau, reliability, seed_means


def test_tau_is_scipys_with_and_without_ties() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        values = 5 if seed % 2 else 10**6
        a, b = ([rng.randrange(values) for _ in range(4 + seed)] for _ in range(2))
        assert kendall_tau(a, b) == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1.0
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1.0
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_the_interval_holds_the_true_tau_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bivariate normal with ρ = 0.6: τ = 2/π·asin ρ. The percentile interval of a bootstrap is a little short."""
    monkeypatch.setattr(module, "NUM_RESAMPLES", 150)
    true = 2 / math.pi * math.asin(0.6)
    held = 0
    for seed in range(150):
        rng = random.Random(seed)
        a = [rng.gauss(0, 1) for _ in range(24)]
        b = [0.6 * x + 0.8 * rng.gauss(0, 1) for x in a]
        low, high = bootstrap_interval(a, b)
        held += low <= true <= high
    assert 0.86 <= held / 150 <= 1.0


def test_the_interval_is_that_of_tau_over_drawn_pairs() -> None:
    """The slow way: τ of every resample."""
    rng = random.Random(0)
    a = [float(rng.randrange(6)) for _ in range(9)]
    b = [x + rng.gauss(0, 2) for x in a]
    rows = np.random.default_rng(4).integers(0, 9, (module.NUM_RESAMPLES, 9))
    taus = [kendall_tau([a[k] for k in row], [b[k] for k in row]) for row in rows]
    expected = np.nanpercentile(taus, [5, 95])
    assert bootstrap_interval(a, b, level=0.9, seed=4) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_is_narrow_for_agreement_and_repeats() -> None:
    numbers = [float(k) for k in range(24)]
    assert bootstrap_interval(numbers, numbers) == (1.0, 1.0)
    noisy = [k + (-1) ** k * 4.0 for k in numbers]
    interval = bootstrap_interval(numbers, noisy)
    assert interval == bootstrap_interval(numbers, noisy)
    assert interval[0] < kendall_tau(numbers, noisy) < interval[1]


def test_only_what_both_sides_have_is_compared() -> None:
    first = {name: float(k) for k, name in enumerate("abcde")}
    second = {name: 2.0 * k for k, name in enumerate("abcd")} | {"z": 9.0}
    found = correlation(first, second)
    assert found is not None
    assert (found["tau"], found["num_architectures"]) == (1.0, 4)
    assert correlation(first, {"a": 1.0, "b": 2.0, "c": 3.0}) is None
    assert correlation(first, dict.fromkeys("abcd", 1.0)) is None


def test_seeds_are_averaged_and_compared_with_each_other() -> None:
    values = {(name, 0): float(k) for k, name in enumerate("abcdef")}
    values |= {(name, 1): float(k) + 2 for k, name in enumerate("abcde")}
    assert seed_means(values, ["a", "f"]) == {"a": 1.0, "f": 5.0}
    found = reliability(values, list("abcdef"))
    assert found is not None
    assert (found["tau"], found["num_architectures"], found["num_pairs_of_seeds"]) == (1.0, 5, 1)
    assert reliability({key: value for key, value in values.items() if key[1] == 0}, list("abcdef")) is None
