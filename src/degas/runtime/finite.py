"""The one check for numbers that are not finite: a run stops at the first and names it; nothing hides it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from degas.errors import UserError

Tell = Callable[[int, str, float], str]  # step, name, value → the line of the error


class NonFiniteError(UserError):
    """An infinite or NaN loss, term or gradient; the message names it, its step and what to try, in one line."""


class FiniteWatch:
    """Keeps every step's scalars on the device and checks them together, so that no step waits for the device.

    `tell` words the error. On a CPU a check costs nothing; `deferred=False` then checks each step at once.
    """

    def __init__(self, tell: Tell, *, deferred: bool = True) -> None:
        self.tell, self.deferred = tell, deferred
        self._pending: list[tuple[int, str, Tensor]] = []

    def add(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Take the scalars of a step; unless the watch is deferred, check them at once."""
        self._pending += [(step, name, value) for name, value in values.items()]
        if not self.deferred:
            self.check()

    def check(self) -> None:
        """Raise `NonFiniteError` for the first number that is not finite; forget the rest."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        numbers = torch.stack([value.detach().double() for _, _, value in pending])
        if bool(torch.isfinite(numbers).all()):
            return
        for (step, name, _), number in zip(pending, numbers.tolist(), strict=True):
            if not math.isfinite(number):
                raise NonFiniteError(self.tell(step, name, number))
