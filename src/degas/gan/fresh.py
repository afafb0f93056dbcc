"""The generator that a training begins with: one place for what its settings and its seed make of an architecture."""

from __future__ import annotations

from typing import Any

from degas.generator.generator import Generator
from degas.nets.starts import start_deconvolutions, start_frame
from degas.runtime.rng import forked_rng
from degas.settings.sections import TrainingSettings
from degas.space.architecture import Architecture


def fresh_generator(architecture: Architecture, settings: TrainingSettings, seed: int, **classes: Any) -> Generator:
    """The generator of an architecture, with weights drawn from `seed` as `degas train` draws them.

    `classes`: `num_classes` and `class_names`, for a conditional one.
    """
    with forked_rng(seed, "generator weights"):
        generator = Generator.from_architecture(
            architecture, sampling_bn=settings.sampling_bn, image_gain=settings.image_gain, **classes
        )
        start_deconvolutions(generator, settings.deconv_start)
        start_frame(generator.network, settings.frame_start, settings.image_gain)
    return generator
