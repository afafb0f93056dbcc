"""The procedure of a polish beside an obviously right one that fits everybody with every seed."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from degas.nas.polish.procedure import FEWEST_FITS, NUM_FRESH, most_fits, polished

Table = list[list[float]]  # contestant → loss with each seed


def drawn(rng: random.Random, num_neighbours: int, spread: float) -> Table:
    """Losses with ties and divergence: what an architecture is worth, a seed's part, and both together."""
    seeds = [rng.random() for _ in range(1 + NUM_FRESH)]
    table = []
    for _ in range(1 + num_neighbours):
        worth = spread * rng.randrange(4)
        table.append([math.inf if rng.random() < 0.05 else worth + s + 0.1 * rng.randrange(3) for s in seeds])
    return table


def brute(table: Table, budget: int) -> int:
    """Who is kept: look at everybody with every seed, though most of it is not allowed to count."""
    allowed = budget - 1 - 2 * NUM_FRESH
    screened = table[: 1 + allowed]
    order = sorted(range(len(screened)), key=lambda number: (screened[number][0], number))
    best = order[0]
    wins = [table[best][seed] < table[0][seed] for seed in range(1, 1 + NUM_FRESH)]
    return best if all(wins) else 0


def test_it_keeps_whom_brute_force_keeps_within_the_budget_and_fits_nobody_twice() -> None:
    rng, kept = random.Random(0), Counter[bool]()
    for _ in range(2000):
        num_neighbours, budget = rng.randrange(12), rng.randrange(FEWEST_FITS, 20)
        table, made = drawn(rng, num_neighbours, rng.choice([0.0, 0.05, 0.5])), list[tuple[int, int]]()

        def fit(number: int, seed: int, table: Table = table, made: list[tuple[int, int]] = made) -> float:
            made.append((number, seed))
            return table[number][seed]

        found = polished(fit, num_neighbours, budget)
        assert found.winner == brute(table, budget)
        assert found.num_fits == len(made) == len(set(made)) <= most_fits(num_neighbours, budget) <= budget
        assert made[: len(found.losses)] == [(number, 0) for number in range(len(found.losses))]
        assert found.losses == {n: [table[n][s] for s in range(len(losses))] for n, losses in found.losses.items()}
        kept[found.winner == 0] += 1
    assert min(kept[True], kept[False]) > 200  # both happened


@pytest.mark.parametrize("gain", [0.0, -1.0])
def test_among_equals_noise_moves_a_search_at_most_once_in_four_times_and_among_worse_ones_less(gain: float) -> None:
    rng, moves, chosen_by_screening = random.Random(1), 0, 0
    for _ in range(4000):
        table = [[rng.gauss(0, 1) - gain * (number > 0) for _ in range(1 + NUM_FRESH)] for number in range(11)]
        found = polished(lambda number, seed, table=table: table[number][seed], 10, 15)  # type: ignore[misc]
        moves += found.winner != 0
        chosen_by_screening += found.best != 0
    assert chosen_by_screening > 0.6 * 4000  # the winner's curse, which must not decide
    assert moves < (0.26 if gain == 0.0 else 0.10) * 4000


def test_a_truly_better_neighbour_is_taken() -> None:
    found = polished(lambda number, seed: 10.0 * seed - (number == 3), 5, 10)
    assert (found.winner, found.num_fits) == (3, 10)


def test_without_neighbours_nothing_is_fitted() -> None:
    assert polished(lambda number, seed: 1 / 0, 0, 100).num_fits == most_fits(0, 100) == 0
