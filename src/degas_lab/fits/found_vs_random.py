"""Comparison of the found architecture with drawn ones: is it better, and not only larger?

All are fitted alone by GLO under an equal budget: the found architecture, uniformly drawn ones, drawn ones of equal
parameter count (± 10 %), and the smallest and the largest of the space. Size explains part of the loss, so every row
has its parameter count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.glo.standalone import fit_alone, fit_settings
from degas.nets.cost import architecture_cost
from degas.nets.extremes import extreme_edges
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge
from degas_lab.trials import Trials

MAX_DRAWS = 100_000


def found_vs_random(
    found: Architecture,
    images: ImageSet,
    settings: SearchSettings,
    folder: Path,
    *,
    engine: Engine,
    seed: int = 0,
    num_random: int = 10,
    num_equal: int = 5,
    num_epochs: int = 5,
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, Any]]:
    """Fit every architecture alone by GLO for `num_epochs`; return the record of each trial by name.

    A record has `kind` (found, random, equal_size, smallest, biggest), `loss` (ℓ of paper eq. 2 over the training
    images), `num_parameters`, `multiply_adds` and the architecture's `nodes`.
    """
    trials = Trials(folder, _shared(images, settings, seed, num_epochs, found))

    def fit(kind: str, architecture: Architecture) -> dict[str, Any]:
        loss = fit_alone(architecture, images, settings, seed=seed, num_epochs=num_epochs, engine=engine)
        cost = architecture_cost(architecture)
        return {"kind": kind, "loss": loss, **vars(cost), "nodes": architecture.to_dict()["nodes"]}

    makers = {name: partial(fit, kind, one) for name, kind, one in contestants(found, num_random, num_equal)}
    trials.make_ahead(makers)
    for name, make in makers.items():
        record = trials.run(name, make)
        say(f"{name:<16} loss {record['loss']:.4f}   parameters {record['num_parameters']:,}")
    return trials.records()


def contestants(found: Architecture, num_random: int, num_equal: int) -> Iterator[tuple[str, str, Architecture]]:
    """Name, kind and architecture of every trial, all with the found one's sizes."""
    yield "found", "found", found
    graph = found.graph
    for seed in range(num_random):
        yield f"random-{seed:02d}", "random", replace(found, edges=graph.draw(seed))
    for k, edges in enumerate(equal_size_draws(found, num_equal)):
        yield f"equal-size-{k:02d}", "equal_size", replace(found, edges=edges)
    yield "smallest", "smallest", replace(found, edges=extreme_edges(graph, found.width, False))
    yield "biggest", "biggest", replace(found, edges=extreme_edges(graph, found.width, True))


def equal_size_draws(found: Architecture, count: int, tolerance: float = 0.1) -> list[tuple[Edge, ...]]:
    """The first `count` uniform draws (seeds 1000, 1001, …) within `tolerance` of the found parameter count."""
    target = architecture_cost(found).num_parameters
    draws: list[tuple[Edge, ...]] = []
    for seed in range(1000, 1000 + MAX_DRAWS):
        if len(draws) == count:
            return draws
        edges = found.graph.draw(seed)
        size = architecture_cost(replace(found, edges=edges)).num_parameters
        if edges != found.edges and abs(size - target) <= tolerance * target:
            draws.append(edges)
    raise UserError(f"of {MAX_DRAWS:,} draws fewer than {count} have {target:,} parameters ± {tolerance:.0%}")


def _shared(
    images: ImageSet, settings: SearchSettings, seed: int, num_epochs: int, found: Architecture
) -> dict[str, Any]:
    search = fit_settings(settings)
    return {"data": images.identity, "search": search, "seed": seed, "num_epochs": num_epochs, "found": found.to_dict()}
