"""A search that counts its multiply-adds, the bytes that its backward passes hold, and its processor time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from degas.nas.signal import Terms
from degas.nas.state import Search

COUNTED_EVERY = 10  # steps; counting slows a step down, so the others are timed


class MeteredSearch(Search):
    """A search whose steps are counted or timed, one in `COUNTED_EVERY` counted."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.multiply_adds: list[float] = []  # of each counted step
        self.held_bytes: list[int] = []  # likewise
        self.seconds: list[float] = []  # of this process, of each step that is not counted

    def step(self, step: int) -> Terms:
        if step % COUNTED_EVERY == 0:
            with FlopCounterMode(display=False) as counter, holding() as held:
                terms = super().step(step)
            self.multiply_adds.append(counter.get_total_flops() / 2)
            self.held_bytes.append(held.peak)
            return terms
        began = time.process_time()
        terms = super().step(step)
        self.seconds.append(time.process_time() - began)
        return terms

    def costs(self) -> dict[str, float | None]:
        """Means over steps: `step_multiply_adds` (backward passes included), `held_mib`, `step_seconds`.

        `step_seconds` is None if every step was counted. `search_multiply_adds` is that of all steps together.
        """
        mean = statistics.fmean(self.multiply_adds)
        return {
            "step_multiply_adds": mean,
            "search_multiply_adds": mean * self.total_steps,
            "held_mib": statistics.fmean(self.held_bytes) / 2**20,
            "step_seconds": statistics.fmean(self.seconds) if self.seconds else None,
        }


class Held:
    """The bytes of the storages that autograd holds for backward passes: `now`, and the `peak`."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self.holders: dict[tuple[int, int], int] = {}  # storage → number of tensors that hold it

    def add(self, storage: tuple[int, int]) -> None:
        if storage not in self.holders:
            self.now += storage[1]
            self.peak = max(self.peak, self.now)
        self.holders[storage] = self.holders.get(storage, 0) + 1

    def remove(self, storage: tuple[int, int]) -> None:
        self.holders[storage] -= 1
        if not self.holders[storage]:
            del self.holders[storage]
            self.now -= storage[1]


class _Saved:
    """A tensor as autograd holds it, counted as long as it lives."""

    def __init__(self, tensor: Tensor, held: Held) -> None:
        storage = tensor.untyped_storage()
        self.tensor, self.held, self.storage = tensor, held, (storage.data_ptr(), storage.nbytes())
        held.add(self.storage)

    def __del__(self) -> None:
        self.held.remove(self.storage)


@contextmanager
def holding() -> Iterator[Held]:
    """Count what autograd holds inside the block, every storage once."""
    held = Held()
    with saved_tensors_hooks(lambda tensor: _Saved(tensor, held), lambda saved: saved.tensor):
        yield held
