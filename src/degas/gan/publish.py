"""The generator that a training shows and saves: an averaged copy whose batch norm is ready for sampling."""

from __future__ import annotations

import copy

from degas.gan.grow.steps import GrownSteps
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator, draw_labels, draw_noise
from degas.nets.normalisation import recalibrate

RECALIBRATION_BATCHES = 20  # batches of 100; their mean gives a published generator's statistics; our choice
RECALIBRATION_IMAGES = 100


def published(steps: Steps | GrownSteps, settings: CompleteGan, seed: int) -> Generator:
    """A copy ready for sampling: averaged weights if there are any, recalibrated batch norm if requested.

    A copy, so that sampling never changes the training.
    """
    shown: Generator = copy.deepcopy(steps.to_publish()).requires_grad_(False)
    shown.sampling_bn = shown.config["sampling_bn"] = settings.sampling_bn
    if settings.sampling_bn == "recalibrated":
        num_images = RECALIBRATION_BATCHES * RECALIBRATION_IMAGES
        noise = draw_noise(num_images, shown.noise_size, seed).to(steps.engine.device)
        labels = None
        if shown.num_classes:
            labels = draw_labels(num_images, shown.num_classes, seed).to(steps.engine.device)

        def forward(k: int) -> None:
            rows = slice(k * RECALIBRATION_IMAGES, (k + 1) * RECALIBRATION_IMAGES)
            shown(noise[rows], None if labels is None else labels[rows])

        recalibrate(shown, forward, RECALIBRATION_BATCHES)
    return shown.eval()
