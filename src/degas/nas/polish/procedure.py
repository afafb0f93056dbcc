"""The procedure of a polish: who is fitted with which seed, and whether a neighbour replaces the found one. Pure.

1. Screen: the found architecture and as many neighbours as the budget allows are fitted with one seed. If none is
   better than the found one, it stays.
2. Confirm: the best of them and the found one are fitted anew with further seeds, which chose nothing. The neighbour
   replaces the found one if it is better with each of them.

Fits of one seed share their start and their batches, so losses are compared within a seed. The best of
many looks better than it is (the winner's curse), so the screening only proposes. If a proposal were just as good as
the found one, two further seeds would still accept it once in four times, which would cost nothing but the fits. Our
choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

NUM_FRESH = 2  # further seeds
FEWEST_FITS = 2 + 2 * NUM_FRESH  # the found one and a neighbour, with every seed
FOUND = 0

Fit = Callable[[int, int], float]  # contestant, number of the seed → loss; infinite if it diverged


@dataclass(frozen=True)
class Outcome:
    """The contestants are numbered: 0 is the found architecture, 1 its first neighbour, and so on.

    Attributes:
        losses: contestant → its losses, with the seed of the screening first.
        best: the best of the screening.
        winner: `best` if it was confirmed, else 0.
    """

    losses: dict[int, list[float]] = field(default_factory=dict)
    best: int = FOUND
    winner: int = FOUND

    @property
    def num_fits(self) -> int:
        return sum(map(len, self.losses.values()))


def most_fits(num_neighbours: int, budget: int) -> int:
    """The most fits that a polish of this budget makes: few neighbours need fewer."""
    return min(budget, 1 + num_neighbours + 2 * NUM_FRESH) if num_neighbours else 0


def polished(fit: Fit, num_neighbours: int, budget: int) -> Outcome:
    """Make at most `budget` fits (`FEWEST_FITS` or more) and return what they say.

    Neighbours are screened in their order, as many as the budget allows; of equal losses the first one counts as the
    best, so that the found one stays unless another is truly below it.
    """
    num_screened = most_fits(num_neighbours, budget) - 1 - 2 * NUM_FRESH
    if num_screened < 1:
        return Outcome()
    losses = {number: [fit(number, 0)] for number in range(1 + num_screened)}
    best = min(losses, key=lambda number: losses[number][0])
    if best == FOUND:
        return Outcome(losses)
    for seed in range(1, 1 + NUM_FRESH):
        for number in (FOUND, best):
            losses[number].append(fit(number, seed))
        if not losses[best][seed] < losses[FOUND][seed]:
            return Outcome(losses, best)
    return Outcome(losses, best, best)
