"""A pool that runs trials in this process and ends them in an order that the test chooses."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from degas.sweep.pool import Attempt
from degas.sweep.trial_process import Order

Choose = Callable[[Sequence[str]], str]
ORDERS: dict[str, Choose] = {
    "first": lambda names: names[0],
    "last": lambda names: names[-1],
    "middle": lambda names: sorted(names)[len(names) // 2],
}


class ForcedPool:
    """Takes all trials at once; each turn ends the one that `choose` names among those that run."""

    num_places = 100

    def __init__(self, choose: Choose) -> None:
        self.choose, self.order = choose, list[str]()
        self._running: dict[str, Order] = {}

    def has_room(self) -> bool:
        return True

    def start(self, name: str, order: Order) -> None:
        assert name not in self._running
        self._running[name] = order

    def ended(self, seconds: float) -> list[Attempt]:
        name = self.choose(list(self._running))
        order = self._running.pop(name)
        self.order.append(name)
        return [Attempt(name, _run(order), 0.0)]

    def running(self) -> dict[str, float]:
        return dict.fromkeys(self._running, 0.0)

    def stop(self) -> None:
        self._running.clear()


def _run(order: Order) -> int:
    """Call the order's function with the words of its only command, as `trial_process` does."""
    module, _, function = order.main.partition(":")
    Path(order.log).parent.mkdir(parents=True, exist_ok=True)
    with open(order.log, "a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        return int(getattr(importlib.import_module(module), function)(order.commands[0]))
