from __future__ import annotations

import itertools
import json
import random
import statistics

import pytest
from scipy import stats

from degas.nas.results.agreement import agreement, chance, jackknife_interval, kendall_tau, mean_alpha, t_quantile
from degas.space.graph import SearchSpace
from degas.space.pruning import choices, decisions, prune, random_alpha

SPACE = SearchSpace()


def test_equal_searches_agree_fully_and_keys_are_the_contracts() -> None:
    alpha = random_alpha(SPACE, 0)
    found = agreement([alpha, alpha], [0, 1], SPACE)
    assert list(found)[:5] == ["seeds", "num_decisions", "mean_equal_decisions", "chance", "kendall_tau"]
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


def test_every_decision_is_told_by_seed() -> None:
    alphas = [random_alpha(SPACE, seed) for seed in (3, 4, 5)]
    found = agreement(alphas, [3, 4, 5], SPACE)
    made = [choices(prune(alpha, SPACE), SPACE) for alpha in alphas]
    consensus = choices(prune(mean_alpha(alphas), SPACE), SPACE)
    assert [record["name"] for record in found["decisions"]] == list(consensus)
    for record in found["decisions"]:
        name = record["name"]
        chosen = [by_name[name] for by_name in made]
        assert list(record["choices"].values()) == chosen
        assert record["consensus"] == consensus[name]
        assert record["share_of_seeds"] == pytest.approx(sum(c == consensus[name] for c in chosen) / 3)
        pairs = [(0, 1), (0, 2), (1, 2)]
        assert record["share_of_pairs"] == pytest.approx(sum(chosen[i] == chosen[j] for i, j in pairs) / 3)
        for seed, alpha in zip((3, 4, 5), alphas, strict=True):
            margin = next(d.margin for d in decisions(alpha, SPACE) if d.name == name)
            assert record["margins"][str(seed)] == margin
    shares = sum(record["share_of_pairs"] for record in found["decisions"])
    assert shares == pytest.approx(found["mean_equal_decisions"])
    assert statistics.fmean(found["kendall_tau_per_edge"].values()) == pytest.approx(found["kendall_tau"])
    assert list(found["kendall_tau_per_edge"]) == [slot.name for slot in SPACE.slots]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_mean_alpha_is_not_a_vote() -> None:
    """Two that lean a little one way and one that leans far the other: the mean follows the far one."""
    weak, far = random_alpha(SPACE, 0, 0.0), random_alpha(SPACE, 0, 0.0)
    weak["U0->N1"]["skip"], far["U0->N1"]["conv_1x1"] = 0.1, 5.0
    found = agreement([weak, weak, far], [0, 1, 2], SPACE)
    record = found["decisions"][0]
    assert (record["consensus"], record["share_of_seeds"]) == ("conv_1x1", pytest.approx(1 / 3))


def test_what_the_searches_kept_may_be_another_rules() -> None:
    alphas = [random_alpha(SPACE, seed) for seed in (0, 1)]
    drawn = SPACE.draw(7)
    found = agreement(alphas, [0, 1], SPACE, kept=[drawn, drawn], consensus=drawn)
    assert found["mean_equal_decisions"] == 9
    assert [record["consensus"] for record in found["decisions"]] == list(choices(drawn, SPACE).values())
    for record in found["decisions"]:  # a margin is that of the choice beside it, or none
        for seed, alpha in zip("01", alphas, strict=True):
            theirs = next(d for d in decisions(alpha, SPACE) if d.name == record["name"])
            expected = theirs.margin if theirs.choice == record["choices"][seed] else None
            assert record["margins"][seed] == expected


def test_two_seeds_have_no_interval() -> None:
    found = agreement([random_alpha(SPACE, seed) for seed in (0, 1)], [0, 1], SPACE)
    assert found["mean_equal_decisions_interval"] is None
    assert found["kendall_tau_interval"] is None


def test_a_space_without_choice_has_no_tau() -> None:
    space = SearchSpace(1, 0, ("skip",), ("deconv_4x4",))
    alpha = random_alpha(space, 0)
    found = agreement([alpha, alpha, alpha], [0, 1, 2], space)
    assert (found["kendall_tau"], found["kendall_tau_interval"]) == (None, None)


def test_the_jackknife_of_an_additive_value_is_that_of_a_mean() -> None:
    """With value(i, j) = (x_i + x_j)/2 the mean over pairs is the mean of x: s/√n and Student's t, exactly."""
    x = [3.0, 4.0, 4.5, 7.0, 1.0]
    values = {(i, j): (x[i] + x[j]) / 2 for i, j in itertools.combinations(range(5), 2)}
    low, high = stats.t.interval(0.95, 4, statistics.fmean(x), statistics.stdev(x) / 5**0.5)
    assert jackknife_interval(values, -99, 99) == pytest.approx([low, high], rel=1e-4)
    assert jackknife_interval(values, 3.0, 4.0) == [3.0, 4.0]


@pytest.mark.parametrize("degrees", [1, 2, 5, 10, 11, 12, 20, 100])
def test_t_quantiles_are_scipys(degrees: int) -> None:
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=2e-4)


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(num_seeds: int) -> None:
    """Seeds that choose each of nine times from 4, the favourite with its own probability; truth in closed form."""
    rng, covered, num_runs = random.Random(num_seeds), 0, 400
    favourites = [0.3, 0.4, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9, 0.9]
    truth = sum(p**2 + 3 * ((1 - p) / 3) ** 2 for p in favourites)
    for _ in range(num_runs):
        made = [[0 if rng.random() < p else rng.randint(1, 3) for p in favourites] for _ in range(num_seeds)]
        values = {
            (i, j): float(sum(a == b for a, b in zip(made[i], made[j], strict=True)))
            for i, j in itertools.combinations(range(num_seeds), 2)
        }
        interval = jackknife_interval(values, 0.0, 9.0)
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert 0.9 <= covered / num_runs <= 0.995
