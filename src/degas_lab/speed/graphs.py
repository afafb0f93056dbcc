"""Our steps as CUDA graphs, against the same steps kernel by kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from degas.data.image_set import ImageSet
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.replay import WARM_UP_CALLS
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab.speed.timing import interleaved_ms

STEPS = ("search_step", "critic_step", "generator_step")
Calls = dict[str, Callable[[], Any]]


def as_graphs(
    images: ImageSet,
    search: SearchSettings,
    gan: CompleteGan,
    make_generator: Callable[[], Generator],
    *,
    rounds: int,
    seed: int,
    engine: Engine,
) -> dict[str, dict[str, float]]:
    """`search_step_as_graph` and so on: `ours_ms` (the graph), `plain_ms`, `speedup`, `difference`.

    `difference` is the largest relative difference between the values (losses, norms) of the first replayed step and of
    the same step without a graph; infinite if one is not finite.
    """
    calls = {True: _calls(images, search, gan, make_generator, seed, engine, graphs=True)}
    calls[False] = _calls(images, search, gan, make_generator, seed, engine, graphs=False)
    found = {}
    for step in STEPS:
        pair = {"ours": Kept(calls[True][step]), "plain": Kept(calls[False][step])}
        times = interleaved_ms(pair, rounds=rounds, warm_up=WARM_UP_CALLS + 1, device=engine.device)
        row = {"ours_ms": times["ours"], "plain_ms": times["plain"], "speedup": times["plain"] / times["ours"]}
        found[f"{step}_as_graph"] = {**row, "difference": difference(pair["ours"].values, pair["plain"].values)}
    return found


class Kept:
    """A call that keeps the values of its first replay, the second call after recording."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.values: Mapping[str, Any] = {}
        self._num_calls = 0

    def __call__(self) -> None:
        values = self.call()
        self._num_calls += 1
        if self._num_calls == WARM_UP_CALLS + 2:
            self.values = values


def difference(mine: Mapping[str, Any], others: Mapping[str, Any]) -> float:
    """The largest |a − b| / max(|a|, |b|) of values with equal names; 0 if both are 0, ∞ if one is not finite."""
    pairs = [(float(mine[name]), float(others[name])) for name in mine]
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        return math.inf
    return max(abs(a - b) / (max(abs(a), abs(b)) or 1.0) for a, b in pairs)


def _calls(
    images: ImageSet,
    search: SearchSettings,
    gan: CompleteGan,
    make_generator: Callable[[], Generator],
    seed: int,
    engine: Engine,
    *,
    graphs: bool,
) -> Calls:
    change = {"cuda_graphs": graphs}
    searching = Search(images, search.model_copy(update=change), SpaceSettings(), seed=seed, engine=engine)
    steps = Steps(make_generator(), images, gan.model_copy(update=change), seed=seed, engine=engine)
    return {
        "search_step": partial(searching.step, 0),
        "critic_step": partial(steps.critic_step, 0, 0),
        "generator_step": partial(steps.generator_step, 0),
    }
