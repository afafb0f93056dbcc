"""A race of candidates: batch after batch, each is measured only as long as it may still win. Our choice.

The idea is that of Hoeffding races (Maron and Moore 1993), with an estimate of the noise instead of a bound. On one
batch all candidates see the same images and inputs, so most of the variation between batches is common to them, and
differences vary much less than losses. A candidate stops when it is behind the best of its group by several times the
noise of these differences; close ones are measured on all batches.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

# Degrees of freedom that make the noise's estimate usable: a group's deficits times its batches less one. (The deficits
# share the best one's noise, so there are really fewer; FACTOR is large for that.)
FREEDOM = 4
FACTOR = 4.0  # pooled standard errors of a deficit, beyond which a candidate stops (docs/search-rules.md)


def fewest_batches(num_candidates: int) -> int:
    """Return the batches before one of `num_candidates` may stop: 2 for five or more, 3 for three, 5 for two."""
    return 1 - -FREEDOM // (num_candidates - 1)


class Race:
    """Candidates in groups. Within a group the smallest value wins, or with `most` the largest.

    Args:
        groups: the group of each candidate, by its index; None for a mere baseline.
        baselines: the index of the candidate whose loss is subtracted from the candidate's loss to give its value; None
            for the loss itself. A baseline is measured as long as a candidate needs it.
        most: whether larger values are better.
        factor: standard errors of a deficit beyond which a candidate stops; infinite for never.
    """

    def __init__(
        self,
        groups: Sequence[Hashable],
        baselines: Sequence[int | None],
        *,
        most: bool = False,
        factor: float = FACTOR,
    ) -> None:
        self._baselines, self._sign, self._factor = baselines, -1.0 if most else 1.0, factor
        self._groups = [[place for place, own in enumerate(groups) if own == group] for group in set(groups) - {None}]
        self._running = list(
            self._groups
        )  # by group, the candidates that may still win; empty once the winner is known
        self._raced = [0] * len(groups)  # batches on which each candidate was measured
        self._references: list[float] = []
        self._losses: list[list[float]] = [[] for _ in groups]
        self.open = list(range(len(groups)))  # candidates to measure on the next batch, ascending

    def add(self, reference: float, losses: Sequence[float]) -> None:
        """Take the next batch: the loss of the reference, which candidates modify, and those of the open candidates."""
        self._references.append(reference)
        for place, loss in zip(self.open, losses, strict=True):
            self._losses[place].append(loss)
        for place in (place for places in self._running for place in places):
            self._raced[place] = len(self._references)
        self._running = [self._doubtful(places) for places in self._running]
        running = {place for places in self._running for place in places}
        needed = {baseline for baseline in map(self._baselines.__getitem__, running) if baseline is not None}
        self.open = sorted(running | needed)

    @property
    def reference(self) -> float:
        """The mean loss of the reference."""
        return float(np.mean(self._references))

    def estimates(self) -> list[float]:
        """The mean loss of each candidate, as if all had been measured on the same batches.

        A candidate that stopped early lacks the later batches, on which all losses may be higher or lower. Its value is
        that of its group's winner plus its deficit on their common batches, so a dropped candidate cannot end ahead.
        """
        means = [self.reference + float(self._differences(place).mean()) for place in range(len(self._losses))]
        for places in self._groups:
            winner = self._winner(places)
            for place in places:
                baseline = self._baselines[place]
                if baseline != place:
                    value = self._sign * self._behind(place, winner)
                    means[place] = value + (self.reference if baseline is None else means[baseline])
        return means

    def _winner(self, places: Sequence[int]) -> int:
        """Return the candidate with the smallest mean value among those measured longest."""
        longest = max(self._raced[place] for place in places)
        finalists = [place for place in places if self._raced[place] == longest]
        return min(finalists, key=lambda place: self._values(place).mean())

    def _behind(self, place: int, winner: int) -> float:
        """Return the winner's mean value plus the deficit of `place` on their common batches."""
        values, best = self._values(place), self._values(winner)
        shared = min(len(values), len(best))
        return float(best.mean() + (values[:shared] - best[:shared]).mean())

    def _differences(self, place: int) -> np.ndarray:
        """The candidate's losses minus the reference's, (batches,)."""
        losses = np.asarray(self._losses[place])
        return losses - np.asarray(self._references[: len(losses)])

    def _values(self, place: int) -> np.ndarray:
        """The candidate's values (batches,); smaller is better."""
        values, baseline = self._differences(place), self._baselines[place]
        return self._sign * (values if baseline is None else values - self._differences(baseline)[: len(values)])

    def _doubtful(self, places: Sequence[int]) -> list[int]:
        """Return the candidates that may still win the group; none if only one remains."""
        if len(places) < 2:
            return []
        if len(self._references) < fewest_batches(len(places)):
            return list(places)
        values = np.stack([self._values(place) for place in places])  # (k, batches)
        best = int(values.mean(axis=1).argmin())
        deficits = values - values[best]
        others = np.arange(len(places)) != best
        error = math.sqrt(deficits[others].var(axis=1, ddof=1).mean() / deficits.shape[1])
        limit = self._factor * error if error else 0.0  # an infinite factor times 0 is NaN
        stays = [not mean > limit for mean in deficits.mean(axis=1)]
        return [place for place, stay in zip(places, stays, strict=True) if stay] if sum(stays) > 1 else []
