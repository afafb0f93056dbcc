"""Searches that count their multiply-adds, the bytes that backward passes hold, and processor time; fits of finds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from degas.data.image_set import ImageSet
from degas.nas.glo.standalone import fit_alone
from degas.nas.loop import run_steps
from degas.nas.plateau import NothingLearnedError
from degas.nas.results.outputs import write_results
from degas.nas.signal import Terms
from degas.nas.state import Search
from degas.nets.cost import architecture_cost
from degas.runtime.finite import NonFiniteError
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture

Costs = dict[str, Any]
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

    def costs(self, num_steps: int) -> dict[str, float | None]:
        """Means over steps: `step_multiply_adds` (backward passes included), `held_mib`, `step_seconds`.

        `step_seconds` is None if every step was counted. `search_multiply_adds` is that of all `num_steps` taken, which
        are fewer than planned if the search settled early.
        """
        mean = statistics.fmean(self.multiply_adds)
        return {
            "step_multiply_adds": mean,
            "search_multiply_adds": mean * num_steps,
            "held_mib": statistics.fmean(self.held_bytes) / 2**20,
            "step_seconds": statistics.fmean(self.seconds) if self.seconds else None,
        }


def metered(path: Path, search: MeteredSearch) -> tuple[Architecture, Costs]:
    """Run the whole search in the new folder `path`; what it finds, and `costs()`, `prune_seconds`, `num_steps`."""
    with StageFolder(path, settings={}, resume=False, kind="search") as folder:
        step = run_steps(search, folder, progress=False)
        began = time.process_time()
        found = write_results(folder, search, step)
        pruned = time.process_time() - began
    return found, {**search.costs(step), "prune_seconds": pruned, "num_steps": step}


def fitted(
    found: Architecture, costs: Mapping[str, Any], images: ImageSet, settings: SearchSettings, **options: Any
) -> dict[str, Any]:
    """The record of an architecture: the loss of its fit alone, its size, what finding it cost, and its nodes.

    `options`: seed, number of epochs and engine of the fit.
    """
    began = time.process_time()
    loss = fit_alone(found, images, settings, **options)
    seconds = time.process_time() - began
    nodes = found.to_dict()["nodes"]
    return {"loss": loss, **vars(architecture_cost(found)), **costs, "fit_seconds": seconds, "nodes": nodes}


def or_failed(named: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The record `named` with what `make` returns; with `failed`, the reason, for a search or fit that ends in none.

    That is one that diverges or learns nothing, which is a result. Another error, such as a full disk, is none: no
    record is kept, and the next call tries again.
    """
    try:
        return {**named, **make()}
    except (NonFiniteError, NothingLearnedError) as error:
        return {**named, "failed": str(error)}


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
        # The storage itself and not its address, which tensors without memory do not have.
        self.tensor, self.held, self.storage = tensor, held, (storage._cdata, storage.nbytes())
        held.add(self.storage)

    def __del__(self) -> None:
        self.held.remove(self.storage)


@contextmanager
def holding() -> Iterator[Held]:
    """Count what autograd holds inside the block, every storage once."""
    held = Held()
    with saved_tensors_hooks(lambda tensor: _Saved(tensor, held), lambda saved: saved.tensor):
        yield held
