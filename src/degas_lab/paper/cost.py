"""The expected hours of a table, from a few steps of each kind on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from degas.data.image_set import ImageSet
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.statistics import extract
from degas.gan.fresh import fresh_generator, registered_sizes
from degas.gan.settings import resolve_gan
from degas.gan.state import Steps
from degas.nas.settings import resolve_search
from degas.nas.state import Search as SearchState
from degas.runtime.distributed import Engine
from degas.settings.resolve import settings_for
from degas.settings.sections import EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas_lab.paper.rows import IMAGE_SIZES, Row, Search
from degas_lab.paper.runner import PRESET, PaperTable
from degas_lab.speed.timing import wait_for

MEASURED_STEPS = 2  # after one to warm up
EXTRACTED_IMAGES = 32


def expected_hours(table: PaperTable) -> dict[str, float]:
    """Hours of the missing trials by stage: `searches`, `trainings`, `evaluations`."""
    missing = set(table.missing())
    with Engine("float32", table.device) as engine:
        searches = [s for s in table.searches for seed in table.scale.seeds if f"search-{s.name}-s{seed}" in missing]
        rows = [r for r in table.rows for seed in table.scale.seeds if f"{r.name}-s{seed}" in missing]
        search_seconds = _summed(searches, lambda search: _search_seconds(table, search, engine))
        train_seconds = _summed(
            [row for row in rows if row.maker != "real"], lambda row: _train_seconds(table, row, engine), _kind
        )
        evaluate_seconds = _evaluate_seconds(table, rows, engine) if rows else 0.0
    seconds = {"searches": search_seconds, "trainings": train_seconds, "evaluations": evaluate_seconds}
    return {name: value / 3600 for name, value in seconds.items()}


def _summed(
    items: list[Any], measure: Callable[[Any], float], kind: Callable[[Any], object] = lambda item: item
) -> float:
    """The sum of `measure` over the items, measured once for each kind."""
    known: dict[object, float] = {}
    for item in items:
        if kind(item) not in known:
            known[kind(item)] = measure(item)
    return sum(known[kind(item)] for item in items)


def _kind(row: Row) -> object:
    return row.data, row.objective, row.labels


def _noise(count: int, size: int, num_classes: int = 0) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    labels = np.arange(count) % num_classes if num_classes else None
    return ImageSet(pixels, labels, tuple(str(k) for k in range(num_classes)), "noise", "")


def _search_seconds(table: PaperTable, search: Search, engine: Engine) -> float:
    given = {**search.rates(), "width": table.scale.width, **table.scale.search}
    settings = settings_for("search", SearchSettings, given, PRESET)
    space = settings_for("space", SpaceSettings, search.space_settings(), PRESET)
    count = min(table.images[search.data].num_images, table.scale.search_images or 10**9)
    num_steps = resolve_search(settings, count).num_epochs * max(1, count // settings.batch_images)
    state = SearchState(_noise(2 * settings.batch_images, search.pixels), settings, space, seed=0, engine=engine)
    return num_steps * _seconds_a_call(state.step, engine)


def _train_seconds(table: PaperTable, row: Row, engine: Engine) -> float:
    given = table.gan_settings(row, {"width": table.scale.width})
    gan = settings_for("gan", GanSettings, given, PRESET)
    settings = resolve_gan(gan)
    images = _noise(settings.generator_batch_images, IMAGE_SIZES[row.data], 10 if row.labels else 0)
    sizes = registered_sizes(images, SpaceSettings(), width=table.scale.width)
    classes = {"num_classes": images.num_classes, "class_names": images.class_names} if row.labels else {}
    generator = fresh_generator("resnet", gan, 0, sizes, **classes)
    steps = Steps(generator, images, settings, seed=0, engine=engine)
    return settings.num_steps * _seconds_a_call(steps.both, engine)


def _evaluate_seconds(table: PaperTable, rows: list[Row], engine: Engine) -> float:
    """The features of all samples, and of every data set once."""
    settings = settings_for("evaluate", EvaluateSettings, table.scale.evaluate, PRESET)
    extractor = build_extractor(settings, engine.device)
    images = _noise(EXTRACTED_IMAGES, 32).images
    import torch

    begun = time.perf_counter()
    for _ in extract(extractor, [torch.from_numpy(images)], engine.device, None):
        pass
    per_image = (time.perf_counter() - begun) / EXTRACTED_IMAGES
    references = sum(min(table.images[name].num_images, 50_000) for name in {row.data for row in rows})
    return per_image * (len(rows) * settings.num_samples + references)


def _seconds_a_call(step: Callable[[int], object], engine: Engine) -> float:
    step(0)
    wait_for(engine.device)
    begun = time.perf_counter()
    for k in range(MEASURED_STEPS):
        step(1 + k)
    wait_for(engine.device)
    return (time.perf_counter() - begun) / MEASURED_STEPS
