"""GLO fits of single architectures, like that of their supernet: what a polish and measurements compare."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from degas.data.image_set import ImageSet, check_size
from degas.data.loader import Batches
from degas.generator.generator import Generator
from degas.nas.glo.glo import Glo
from degas.nas.signal import fit_watch
from degas.nets.backbone import FLAT
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.runtime.rng import forked_rng
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture

# The settings that a fit reads. Those of the search alone (α, pruning, schedule, …) change no fit.
FIT_SETTINGS = (
    "batch_images",
    "loss",
    "pyramid_levels",
    "pyramid_weights",
    "weight_optimizer",
    "weight_lr",
    "weight_lr_min",
    "weight_momentum",
    "weight_decay",
    "clip_norm",
    "latent_init",
    "latent_optimizer",
    "latent_lr",
    "precision",
)


def fit_settings(settings: SearchSettings) -> dict[str, Any]:
    """The values of `FIT_SETTINGS`, for JSON: fits with equal values are comparable."""
    return settings.model_dump(mode="json", include=set(FIT_SETTINGS))


def fit_alone(
    architecture: Architecture,
    images: ImageSet,
    settings: SearchSettings,
    *,
    seed: int,
    num_epochs: int,
    engine: Engine,
    after_step: Callable[[], None] | None = None,
) -> float:
    """ℓ over the training images after fitting a single architecture by GLO: the quality of its reconstructions.

    Losses, latents, optimisers and rates are the search's; width and noise size are the architecture's. Batch norms are
    recalibrated at the end. `after_step` is called after each step. Raises `UserError` if the architecture makes images
    of another size, `NonFiniteError` if the fit diverges.
    """
    glo, batches = alone(architecture, images, settings, seed=seed, num_epochs=num_epochs, engine=engine)
    fit(glo, batches, after_step)
    glo.recalibrate()
    return glo.mean_loss()


def fit_record(
    architecture: Architecture, images: ImageSet, settings: SearchSettings, **options: Any
) -> dict[str, Any]:
    """The loss of a fit alone (None if it diverged, with `failed`, the reason), the size, both times, and the nodes.

    `options`: seed, number of epochs and engine of the fit.
    """
    wall, processor = time.perf_counter(), time.process_time()
    found = fit_or_failure(architecture, images, settings, **options)
    spent = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {**found, **vars(architecture_cost(architecture)), **spent, "nodes": architecture.to_dict()["nodes"]}


def fit_or_failure(
    architecture: Architecture, images: ImageSet, settings: SearchSettings, **options: Any
) -> dict[str, Any]:
    """`loss` of `fit_alone`; None for a fit that diverged, with `failed`, the reason."""
    try:
        return {"loss": fit_alone(architecture, images, settings, **options)}
    except NonFiniteError as error:
        return {"loss": None, "failed": str(error)}


def fit(glo: Glo, batches: Batches, after_step: Callable[[], None] | None = None) -> None:
    """Take all steps of a standalone fit. Raises `NonFiniteError` if a term is not finite."""
    watch = fit_watch("glo", Glo.rates)
    for step in range(glo.total_steps):
        watch.add(step + 1, glo.step(batches(step), glo.rate_share(step)).named())
        if (step + 1) % batches.steps_per_epoch == 0:
            watch.check()
        if after_step is not None:
            after_step()


def alone(
    architecture: Architecture,
    images: ImageSet,
    settings: SearchSettings,
    *,
    seed: int,
    num_epochs: int,
    engine: Engine,
    rows: np.ndarray | None = None,
) -> tuple[Glo, Batches]:
    """A standalone fit before its first step, and its batches; `rows` (n,): only of these images.

    Raises `UserError` if the architecture makes images of another size.
    """
    check_size(images, architecture, "architecture")
    batches = Batches(
        images,
        settings.batch_images,
        seed=seed,
        purpose="glo",
        rows=rows,
        **vars(engine.shares),
    )
    with forked_rng(seed, "glo weights"):
        generator = Generator.from_architecture(architecture, image_gain=FLAT)
    glo = Glo(
        generator,
        generator.parameters(),
        images,
        settings,
        noise_size=architecture.noise_size,
        total_steps=num_epochs * batches.steps_per_epoch,
        seed=seed,
        engine=engine,
    )
    return glo, batches
