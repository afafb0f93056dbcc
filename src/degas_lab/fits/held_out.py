"""The loss of an architecture's generator on images that its weights were not fitted to.

A large generator may memorise its training images; other images show better what it can generate.
"""

from __future__ import annotations

import numpy as np

from degas.data.image_set import ImageSet
from degas.data.loader import Batches
from degas.nas.glo.glo import Glo
from degas.nas.glo.standalone import alone, fit
from degas.nas.held_out import split_held_out
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture


def fit_held_out(
    architecture: Architecture,
    images: ImageSet,
    settings: SearchSettings,
    *,
    seed: int,
    num_epochs: int,
    engine: Engine,
) -> float:
    """ℓ over held-out images: weights are fitted to the others, then only latents to these (our choice).

    `settings.held_out_fraction` of the images, drawn from `seed`, are held out. The others are fitted as in
    `standalone.fit_alone`. Then the network is frozen, including batch norms (evaluation mode), and the latents of the
    held-out images, initialised in the same way, get as many epochs. Raises `UserError` if a part would be empty.
    """
    fitted, held = split_held_out(images.num_images, settings.held_out_fraction, seed=seed, purpose="held out")
    glo, batches = alone(architecture, images, settings, seed=seed, num_epochs=num_epochs, engine=engine, rows=fitted)
    fit(glo, batches)
    glo.recalibrate(fitted)
    fit_latents(glo, held, num_epochs)
    return glo.mean_loss(held)


def fit_latents(glo: Glo, rows: np.ndarray, num_epochs: int) -> None:
    """Fit the latents of the images `rows` (n,) to a frozen network; rates follow the whole cosine."""
    batches = Batches(glo.images, glo.settings.batch_images, seed=glo.seed, purpose="held-out latents", rows=rows)
    num_steps = num_epochs * batches.steps_per_epoch
    glo.network.eval()
    for step in range(num_steps):
        glo.step_latents_only(batches(step), step * glo.total_steps // num_steps)
    glo.network.train()
