"""Time, memory and arithmetic of a search, measured on its own first steps. Writes nothing."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from degas.data.image_set import ImageSet
from degas.nas.glo.standalone import alone
from degas.nas.grow.plan import Part, parts_of, stand_in
from degas.nas.polish.procedure import most_fits
from degas.nas.searched_space import searched_space
from degas.nas.settings import resolve_search
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.estimate import format_about
from degas.runtime.memory import in_words
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.neighbours import num_neighbours

NUM_STEPS, MAX_SECONDS = 4, 10.0  # timed steps: so many, or fewer, at least one, after so long
Row = tuple[str, str, str]  # name, value, source of the value


def search_probe(
    images: ImageSet,
    settings: SearchSettings,
    space: SpaceSettings,
    device: str,
    *,
    seeds: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """Rows on arithmetic, memory and time of a search, from its first steps on this machine: of all stages if it grows.

    The first step counts multiply-adds. It also warms up and prepares what the later ones use, such as the principal
    components of all images, which can take 50 times as long as a step: its time counts once. Decisions that are
    measured after the steps come on top.
    """
    rows: list[Row] = []
    total = 0.0
    parts = list(parts_of(images, settings, space))
    for part in parts:
        found, seconds = _probe(part, space, device, seeds or 1, clock)
        rows += found
        total += seconds
        if part.settings.polish:
            found, seconds = probe_polish(part, space, device, clock)
            rows += found
            total += seconds
    if len(parts) > 1:
        rows.append(("search time", f"about {format_about(total)}", "all stages; drawn prefixes stood in"))
    return rows


def _probe(
    part: Part, space: SpaceSettings, device: str, num_seeds: int, clock: Callable[[], float]
) -> tuple[list[Row], float]:
    """The rows of one search, and its estimated seconds."""
    settings = part.settings.model_copy(update={"cuda_graphs": False})
    with Engine(settings.precision, device) as engine:
        search = Search(part.images, settings, space, seed=0, engine=engine, prefix=part.prefix, place=part.place)
        begun = clock()
        with FlopCounterMode(display=False) as counter:
            search.step(0)
        first = clock() - begun
        seconds, count = _timed(search.step, search.total_steps, engine.device, clock)
        memory, whose = peak_bytes(engine.device)
    twice = ", inner activations computed twice" if settings.checkpoint_activations else ""
    after = "; measuring the decisions comes on top" if search.rule.measured else ""
    total = (first + seconds * (search.total_steps - 1)) * num_seeds
    arithmetic = f"{counter.get_total_flops() / 2e9:,.3g} billion multiply-adds"
    timed = f"by {count} step{'s' if count > 1 else ''} here, {1000 * seconds:,.0f} ms each{after}"
    rows = [
        (f"search arithmetic{part.at}", arithmetic, "a step, backward passes included"),
        (f"search peak{part.at}", in_words(memory), f"{whose}, in its first steps{twice}"),
        (f"search time{part.at}", f"about {format_about(total)}", timed),
    ]
    return rows, total


def probe_polish(part: Part, space: SpaceSettings, device: str, clock: Callable[[], float]) -> tuple[list[Row], float]:
    """The row on the fits after one search, or after the consensus of several, and their estimated seconds.

    A drawn architecture stands in for those that will be fitted.
    """
    with Engine(part.settings.precision, device) as engine:
        settings = resolve_search(part.settings, part.images.num_images, engine.num_ranks)
        graph, base_size = searched_space(settings, space, part.images.image_size, part.prefix)
        drawn = replace(stand_in(graph, settings, space, part.images.channels), base_size=base_size)
        glo, batches = alone(drawn, part.images, settings, seed=0, num_epochs=settings.num_epochs, engine=engine)
        begun = clock()
        glo.step(batches(0), glo.rate_share(0))
        first = clock() - begun
        seconds, count = _timed(
            lambda k: glo.step(batches(k), glo.rate_share(k)), glo.total_steps, engine.device, clock
        )
    total = most_fits(num_neighbours(graph), settings.polish) * (first + seconds * (glo.total_steps - 1))
    timed = f"at most, by {count} step{'s' if count > 1 else ''} of a drawn architecture, {1000 * seconds:,.0f} ms each"
    return [(f"polish time{part.at}", f"about {format_about(total)}", timed)], total


def _timed(
    step: Callable[[int], object], total_steps: int, device: torch.device, clock: Callable[[], float]
) -> tuple[float, int]:
    """Seconds per step, and the number of timed steps."""
    begun, spent, count = clock(), 0.0, 0
    while count < NUM_STEPS and spent <= MAX_SECONDS:
        count += 1
        step(count % total_steps)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        spent = clock() - begun
    return spent / count, count


def peak_bytes(device: torch.device) -> tuple[int, str]:
    """The most memory so far, and whose: the GPU's allocations, or everything that this process holds."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "memory of the GPU"
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "memory of this process"
