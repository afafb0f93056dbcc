"""The networks that a training begins with: the only place that builds them from names, settings and seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from degas.data.image_set import ImageSet
from degas.gan.settings import CompleteGan
from degas.generator.generator import Generator
from degas.nets.critic import make_critic
from degas.nets.generators import GENERATORS
from degas.nets.starts import start_deconvolutions, start_frame
from degas.runtime.rng import forked_rng
from degas.settings.sections import GanSettings, SpaceSettings, TrainingSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

NOISE_SIZE = 128  # of a registered generator by default; CT-GAN's code


def chosen_generator(
    architecture: Architecture | str | Path, images: ImageSet, gan: GanSettings, space: SpaceSettings, seed: int
) -> Generator:
    """The new generator that a user names, at the size of the images (paper §4.1)."""
    classes: dict[str, Any] = (
        {"num_classes": images.num_classes, "class_names": images.class_names} if gan.supervised else {}
    )
    if isinstance(architecture, str) and architecture in GENERATORS:
        width, noise_size = gan.generator_width or gan.width, gan.noise_size or NOISE_SIZE
        sizes = registered_sizes(images, space, width=width, noise_size=noise_size)
        return fresh_generator(architecture, gan, seed, sizes, **classes)
    found = load_architecture(architecture, GENERATORS).for_image_size(images.image_size)
    resized = found.resized(width=gan.generator_width, noise_size=gan.noise_size, channels=images.channels)
    return fresh_generator(resized, gan, seed, **classes)


def registered_sizes(
    images: ImageSet, space: SpaceSettings, *, width: int, noise_size: int = NOISE_SIZE
) -> dict[str, int]:
    """The sizes of a registered generator for these images."""
    graph, base_size = space.resolve(images.image_size)
    own = {"width": width, "noise_size": noise_size}
    return {**own, "base_size": base_size, "num_stages": graph.num_stages, "channels": images.channels}


def fresh_generator(
    chosen: Architecture | str,
    settings: TrainingSettings,
    seed: int,
    sizes: Mapping[str, Any] | None = None,
    **classes: Any,
) -> Generator:
    """The generator of an architecture, or a registered one with these `sizes`, with weights drawn from `seed`.

    `classes`: `num_classes` and `class_names`, for a conditional one.
    """
    with forked_rng(seed, "generator weights"):
        if not isinstance(chosen, Architecture):
            return Generator.from_baseline(chosen, sampling_bn=settings.sampling_bn, **(sizes or {}), **classes)
        generator = Generator.from_architecture(
            chosen, sampling_bn=settings.sampling_bn, image_gain=settings.image_gain, **classes
        )
        start_deconvolutions(generator, settings.deconv_start)
        start_frame(generator.network, settings.frame_start, settings.image_gain)
    return generator


def build_critic(settings: CompleteGan, images: ImageSet, seed: int) -> nn.Module:
    """The critic that the settings name, with its objective's options and weights drawn from `seed`."""
    with forked_rng(seed, "critic weights"):
        return make_critic(
            settings.critic,
            layout=settings.layout,
            width=settings.width,
            channels=images.channels,
            image_size=images.image_size,
            num_classes=images.num_classes if settings.supervised else 0,
            score_size=settings.own.score_size,
            compares_features=settings.own.compares_features,
            class_head=settings.own.class_head,
            options=settings.own.critic_options,
        )
