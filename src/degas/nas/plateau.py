"""The check that a search learns: its loss against the signal's baseline, after enough visits, with its slope."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from degas.errors import UserError
from degas.nas.settings import CompleteSearch
from degas.nas.signal import Signal

MIN_STEPS = 100  # an epoch of a small data set has only a few


class NothingLearnedError(UserError):
    """A search whose loss is still that of the signal's baseline, which its settings and images decide."""


class Plateau:
    """Judges a search after every epoch, until it has learned something.

    An epoch visits every image once, and the signal says after how many visits it can be judged. It passes if its
    loss, or the loss projected to the end of the search along its slope (`projected_loss`), is below the signal's
    baseline. Otherwise a signal that is judged strictly stops, and another one warns once: plain SGD moves so
    little per visit that its loss may lie at the baseline for many visits and fall later.

    Args:
        signal: its `learned_nothing`, `plateau_visits`, `plateau_stops`.
        settings: complete ones; with `plateau_share` 0 nothing is judged.
    """

    def __init__(self, signal: Signal, settings: CompleteSearch, *, steps_per_epoch: int) -> None:
        self.signal, self.num_epochs = signal, settings.num_epochs
        self.first_epoch = max(signal.plateau_visits, -(-MIN_STEPS // steps_per_epoch))
        self.is_open = settings.plateau_share > 0
        self.losses: list[float] = []

    def __call__(self, loss: float) -> None:
        """Judge the mean loss of the next epoch; raises `NothingLearnedError` or warns if nothing is learned."""
        why = self._judged(loss)
        if why is None:
            return
        found = f"the loss of epoch {len(self.losses)} is {loss:.4f} and hardly falls, and {why}"
        if self.signal.plateau_stops:
            raise NothingLearnedError(
                f"search: nothing was learned: {found} (--search.plateau-share 0 continues anyway)"
            )
        warnings.warn(f"search: nothing was learned so far: {found}", stacklevel=2)

    def recall(self, losses: Sequence[float]) -> None:
        """Take the losses of the epochs before a resume, which were judged then."""
        for loss in losses:
            self._judged(loss)

    def _judged(self, loss: float) -> str | None:
        """The reason why nothing was learned; None if it learns, or if it is not the time to judge."""
        self.losses.append(loss)
        if not self.is_open or len(self.losses) < self.first_epoch:
            return None
        self.is_open = False  # unless it must be judged again
        if (why := self.signal.learned_nothing(loss)) is None:
            return None
        projected = projected_loss(self.losses, self.num_epochs - len(self.losses))
        if self.signal.learned_nothing(projected) is None:
            self.is_open = True  # the slope promises enough: later epochs show whether it is kept
            return None
        return why


def projected_loss(losses: Sequence[float], num_left: int) -> float:
    """The loss after `num_left` further epochs, along the least-squares line of the later half of `losses` (k,).

    At least the last two, and never above the last loss: a rising loss is judged as it stands.
    """
    late = np.asarray(losses[min(len(losses) // 2, len(losses) - 2) :] if len(losses) > 1 else losses)
    if len(late) < 2:
        return float(losses[-1])
    slope = float(np.polyfit(np.arange(len(late)), late, 1)[0])
    return float(losses[-1]) + min(0.0, slope) * num_left
