"""`torch.compile` beside the same calls as they are: what it gains, and what it costs to compile.

The networks of a call are compiled in place, each with torch's defaults. The first call compiles; its time beyond a
usual call is `compile_seconds`. Nothing in degas is compiled: docs/evidence/not-kept.md has the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn

from degas.errors import UserError
from degas.evaluation.extractors.base import freeze
from degas.evaluation.extractors.imagenet import ImagenetExtractor
from degas.evaluation.statistics import FORWARD_IMAGES
from degas.gan.state import Steps
from degas.runtime.rng import forked_rng
from degas_lab.speed.bench import Bench, beside_plain
from degas_lab.speed.search_steps import SearchSteps
from degas_lab.speed.training_steps import TrainingSteps

SAMPLES = 400  # as many as part `sampling` makes


class Compilable(NamedTuple):
    """A call, and the networks in it."""

    call: Callable[[], object]
    networks: tuple[nn.Module, ...]


def compare_compiled(bench: SearchSteps | TrainingSteps) -> dict[str, dict[str, float]]:
    """For `search`, `mmd`, `sampling`, `features`: `ours_ms` (compiled), `plain_ms`, `speedup`, `compile_seconds`.

    Raises:
        UserError: there is no C++ compiler, which torch.compile needs on a CPU.
    """
    return {name: _compared(bench, plain, compiled) for name, plain, compiled in _pairs(bench)}


def _pairs(bench: SearchSteps | TrainingSteps) -> Iterator[tuple[str, Compilable, Compilable]]:
    """Each call twice, with networks of its own."""
    for make in (_search, _mmd, _sampling, _features):
        yield make.__name__.removeprefix("_"), make(bench), make(bench)


def _compared(bench: Bench, plain: Compilable, compiled: Compilable) -> dict[str, float]:
    for network in compiled.networks:
        network.compile()
    first = _first_call(compiled.call)
    times = bench._time({"ours": compiled.call, "plain": plain.call})
    return {**beside_plain(times), "compile_seconds": max(0.0, first - times["ours"] / 1e3)}


def _first_call(call: Callable[[], object]) -> float:
    """Seconds of the call that compiles."""
    from torch._inductor.exc import InvalidCxxCompiler

    begun = time.perf_counter()
    try:
        call()
    except InvalidCxxCompiler as error:
        raise UserError("--parts compile: torch.compile finds no C++ compiler; install g++, or leave it out") from error
    return time.perf_counter() - begun


def _search(bench: Bench) -> Compilable:
    assert isinstance(bench, SearchSteps)
    search = bench._new_search("joint")
    return Compilable(lambda: search.step(0), (search.supernet,))


def _mmd(bench: Bench) -> Compilable:
    assert isinstance(bench, TrainingSteps)
    images = bench.sizes.images(bench.seed)
    steps = Steps(bench._generator(), images, bench._gan("mmd"), seed=bench.seed, engine=bench.engine)
    return Compilable(lambda: steps.both(0), (steps.generator, steps.critic))


def _sampling(bench: Bench) -> Compilable:
    generator = bench._generator().to(bench.engine.device)
    return Compilable(lambda: generator.sample(SAMPLES), (generator,))


def _features(bench: Bench) -> Compilable:
    with forked_rng(bench.seed, "benchmark extractor"):
        extractor = ImagenetExtractor(trained=False)
    extractor.network.fold()
    frozen = freeze(extractor).to(bench.engine.device)
    size = bench.sizes.image_size
    images = torch.randint(0, 256, (FORWARD_IMAGES, 3, size, size), dtype=torch.uint8).to(bench.engine.device)
    return Compilable(torch.no_grad()(lambda: frozen(images)), (extractor.network,))
