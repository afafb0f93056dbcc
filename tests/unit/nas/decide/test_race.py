"""Races: estimates against plain means, who is measured on, and that a race decides as measuring all would."""

from __future__ import annotations

import math

import numpy as np
import pytest

from degas.nas.decide.race import Race, fewest_batches

THREE = fewest_batches(3)


def run(race: Race, references: np.ndarray, losses: np.ndarray) -> int:
    """Feed batches (B,), (B, k) as far as anyone is open; how many losses it asked for."""
    asked = 0
    for reference, row in zip(references, losses, strict=True):
        if race.open:
            asked += len(race.open)
            race.add(float(reference), [float(row[place]) for place in race.open])
    return asked


def drawn(
    means: list[float], num_batches: int = 16, noise: float = 0.01, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Losses that share what differs from batch to batch, ten times the noise of their differences."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(1.0, 10 * noise, num_batches)
    return shared, shared[:, None] + np.array(means) + rng.normal(0.0, noise, (num_batches, len(means)))


def test_without_a_limit_all_are_measured_on_all_batches_and_the_estimate_is_the_mean() -> None:
    references, losses = drawn([0.0, 0.5, 2.0, -0.3])
    race = Race(["a", "a", "b", "b"], [None] * 4, factor=math.inf)
    assert run(race, references, losses) == losses.size
    assert race.reference == pytest.approx(references.mean())
    assert race.estimates() == pytest.approx(losses.mean(axis=0).tolist())


def test_a_clear_loser_stops_first_and_the_close_ones_go_on() -> None:
    references, losses = drawn([0.0, 0.001, 1.0])
    race = Race(["a"] * 3, [None] * 3)
    for number in range(THREE):
        assert race.open == [0, 1, 2]
        race.add(references[number], losses[number].tolist())
    assert race.open == [0, 1]


def test_the_fewer_race_the_longer_all_are_measured() -> None:
    """The noise is estimated from all deficits of a group, so a small group needs more batches for it."""
    assert [fewest_batches(count) for count in (2, 3, 4, 5, 6, 20)] == [5, 3, 3, 2, 2, 2]
    for count in (2, 3, 5, 9):
        references, losses = drawn([0.0, *[9.0] * (count - 1)])
        race = Race(["a"] * count, [None] * count)
        assert run(race, references, losses) == count * fewest_batches(count)


def test_who_is_left_of_many_counts() -> None:
    """Three of five stop after two batches; the two that are left go on to the fifth, as two alone would.

    After the third batch place 4 is behind by more than six standard errors, but of an estimate of two deficits.
    """
    race = Race(["a"] * 5, [None] * 5)
    open_after = []
    for sign in (1, -1, 1, -1, 1):
        losses = [0.0, *[9.0 + 0.001 * sign] * 3, 0.002 + 0.0005 * sign]
        race.add(0.0, [losses[place] for place in race.open])
        open_after.append(race.open)
    assert open_after == [[0, 1, 2, 3, 4], [0, 4], [0, 4], [0, 4], []]


def test_a_race_with_one_left_is_over() -> None:
    references, losses = drawn([0.0, 1.0, 2.0])
    race = Race(["a"] * 3, [None] * 3)
    assert run(race, references, losses) == 3 * THREE
    assert race.open == []


def test_groups_race_apart() -> None:
    references, losses = drawn([0.0, 0.001, 5.0, 5.001, 9.0], seed=1)
    race = Race(["a", "a", "b", "b", "b"], [None] * 5)
    run(race, references[:THREE], losses[:THREE])
    assert race.open == [0, 1, 2, 3]


@pytest.mark.parametrize("most", [False, True])
@pytest.mark.parametrize("baseline", [None, 0])
def test_who_was_dropped_cannot_come_out_ahead(baseline: int | None, most: bool) -> None:
    """Place 2 is behind on every batch. It is dropped after three, and the later ones cost everyone more."""
    sign = -1.0 if most else 1.0
    race = Race(["a"] * 3, [baseline] * 3, most=most)
    for number, shared in enumerate([0.10, 0.10, 0.10, 0.13, 0.13, 0.13]):
        full = [1 + sign * shared, 1 + sign * (shared + 1e-4 * (-1) ** number), 1 + sign * (shared + 0.005)]
        race.add(1.0, [full[place] for place in race.open])
    estimates = race.estimates()
    assert estimates[2] - estimates[0] == pytest.approx(sign * 0.005, abs=2e-4)
    assert 2 not in race.open


def test_estimates_are_the_means_of_all_batches_but_for_noise() -> None:
    """Of any candidate, however early it stopped and with whatever baseline, since the differences hardly vary."""
    references, losses = drawn([0.0, 0.02, 0.3, 0.0, 0.001, 0.5], noise=0.001)
    race = Race(["a", "a", "a", None, "b", "b"], [None, None, None, 3, 3, 3])
    assert run(race, references, losses) < losses.size
    assert race.estimates() == pytest.approx(losses.mean(axis=0).tolist(), abs=0.02)
    differences = np.subtract.outer(race.estimates()[:3], race.estimates()[:3])
    want = np.subtract.outer(losses.mean(axis=0)[:3], losses.mean(axis=0)[:3])
    assert differences == pytest.approx(want, abs=0.003)


@pytest.mark.parametrize("most", [False, True])
def test_what_counts_is_the_distance_to_the_baseline(most: bool) -> None:
    """Place 0 is the baseline of 1, and 2 of 3: by its loss 1 is far ahead, by its distance the two are close."""
    sign = -1.0 if most else 1.0
    references, losses = drawn([sign * mean for mean in (-3.0, -4.0, 3.0, 2.001)])
    race = Race([None, "a", None, "a"], [None, 0, None, 2], most=most)
    run(race, references[:THREE], losses[:THREE])
    assert race.open == [0, 1, 2, 3]


def test_a_baseline_stops_with_those_who_need_it() -> None:
    references, losses = drawn([0.0, -1.0, 0.0, -5.0, -5.001])
    race = Race([None, "a", None, "a", "a"], [None, 0, None, 2, 2])
    run(race, references[:THREE], losses[:THREE])
    assert race.open == [2, 3, 4]


def test_a_baseline_may_win_its_group() -> None:
    references, losses = drawn([0.0, 1.0, 2.0])
    race = Race(["a"] * 3, [0, 0, 0])
    run(race, references, losses)
    assert race.open == []
    assert int(np.argmin(race.estimates())) == 0


def test_the_greatest_wins_where_more_is_better() -> None:
    references, losses = drawn([0.0, 1.0, 0.999])
    race = Race(["a"] * 3, [None] * 3, most=True)
    run(race, references[:THREE], losses[:THREE])
    assert race.open == [1, 2]


def test_what_two_share_exactly_is_no_decision() -> None:
    """Equal losses on every batch: no noise at all, and nobody is behind."""
    race = Race(["a", "a", "a"], [None] * 3)
    for _ in range(5):
        race.add(1.0, [2.0, 2.0, 3.0][: len(race.open)])
    assert race.open == [0, 1]


def test_it_decides_as_measuring_all_on_all_batches_does_and_asks_for_less() -> None:
    """200 races of eight; where they differ, the two were closer than the noise of the mean that decides."""
    rng, asked, differing = np.random.default_rng(1), 0, 0
    for seed in range(200):
        references, losses = drawn(rng.normal(0.0, 0.05, 8).tolist(), num_batches=8, seed=seed)
        race = Race(["a"] * 8, [None] * 8)
        asked += run(race, references, losses)
        best, full = int(np.argmin(race.estimates())), int(losses.mean(axis=0).argmin())
        differing += best != full
        assert losses[:, best].mean() - losses[:, full].mean() < 0.01
    assert differing <= 4
    assert asked < 0.6 * 200 * 8 * 8
