from __future__ import annotations

import itertools
import statistics

import pytest
from scipy import stats

from degas.architecture import SearchSpace
from degas.nas.agreement import agreement, chance, kendall_tau
from degas.nas.pruning import choices, random_alpha

SPACE = SearchSpace()


def test_equal_searches_agree_fully_and_keys_are_the_contracts() -> None:
    alpha = random_alpha(SPACE, 0)
    found = agreement([alpha, alpha], [0, 1], SPACE)
    assert list(found) == ["seeds", "num_decisions", "mean_equal_decisions", "chance", "kendall_tau"]
    assert (found["seeds"], found["num_decisions"], found["mean_equal_decisions"]) == ([0, 1], 9, 9)
    assert found["kendall_tau"] == 1


def test_opposite_searches_have_tau_minus_one() -> None:
    alpha = random_alpha(SPACE, 0)
    opposite = {edge: {name: -value for name, value in values.items()} for edge, values in alpha.items()}
    assert agreement([alpha, opposite], [0, 1], SPACE)["kendall_tau"] == -1


def test_chance_is_what_uniform_architectures_share() -> None:
    drawn = [choices(SPACE.draw(seed), SPACE) for seed in range(150)]
    shared = [sum(a[name] == b[name] for name in a) for a, b in itertools.combinations(drawn, 2)]
    assert chance(SPACE) == pytest.approx(3 / 9 + 3 / 4 + 1 / 5 + 2 / 9)
    assert statistics.fmean(shared) == pytest.approx(chance(SPACE), abs=0.12)


def test_random_alpha_agrees_about_as_chance_has_it() -> None:
    """Random α prune to `none` more often than uniform draws do, so they share a little more."""
    alphas = [random_alpha(SPACE, seed) for seed in range(40)]
    found = agreement(alphas, range(40), SPACE)
    assert chance(SPACE) < found["mean_equal_decisions"] < chance(SPACE) + 0.8
    assert abs(found["kendall_tau"]) < 0.02


def test_kendall_tau_equals_scipys() -> None:
    for seed in range(10):
        a, b = (list(random_alpha(SPACE, seed + shift)["U0->N1"].values()) for shift in (0, 100))
        assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)


def test_one_search_cannot_agree() -> None:
    with pytest.raises(ValueError, match="two or more"):
        agreement([random_alpha(SPACE, 0)], [0], SPACE)
