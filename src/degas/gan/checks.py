"""Checks before a training begins, made once by the stage, and by `degas run` before its search."""

from __future__ import annotations

import torch

from degas.data.image_set import ImageSet, check_size
from degas.errors import UserError
from degas.gan.grow.plan import check_grown_generator, check_growth
from degas.gan.settings import CompleteGan
from degas.generator.generator import Generator
from degas.runtime.replay import check_graphs
from degas.runtime.shares import Shares


def check_training(
    settings: CompleteGan, images: ImageSet, device: torch.device, num_ranks: int = 1, begun_ranks: int | None = None
) -> None:
    """Raise `UserError` for settings, images or a machine that a training cannot use.

    `begun_ranks`: the number of processes that a training to resume began with.
    """
    if settings.cuda_graphs:
        check_graphs("gan", device, num_ranks)
        if settings.beta2_end != settings.betas[1]:
            raise UserError("--gan.cuda-graphs replays one step, but --gan.beta2-end makes every step different")
    if settings.own.patience:
        _check_patience(settings, num_ranks)
    if settings.layout is not None:
        settings.layout.check_size(images.image_size, f"--gan.critic {settings.critic}")
    check_growth(settings, images.image_size)
    check_images(images, settings, num_ranks, begun_ranks)


def _check_patience(settings: CompleteGan, num_ranks: int) -> None:
    """Raise `UserError` if nothing would be counted, or if only one of several processes would count it."""
    name = settings.own.patience_setting
    option = f"--gan.{name.replace('_', '-')}" if name else f"--gan.objective {settings.objective}"
    if not settings.evaluate_steps:
        raise UserError(f"{option} counts evaluations; set --gan.evaluate-steps as well")
    if num_ranks > 1:
        raise UserError(f"{option}: one process only, not {num_ranks}; leave it out")


def check_images(images: ImageSet, settings: CompleteGan, num_ranks: int = 1, begun_ranks: int | None = None) -> None:
    """Raise `UserError` for images that a training with these resolved settings cannot use."""
    if settings.supervised and not images.num_classes:
        raise UserError(f"{images.source}: --gan.supervised needs labels; sort the images into class folders")
    if images.num_images < 2:
        raise UserError(f"{images.source}: adversarial training needs at least two images")
    shares = Shares(0, num_ranks, begun_ranks or num_ranks)
    each = images.num_images // shares.begun_ranks
    fewest = shares.rows(min(settings.batch_images, settings.generator_batch_images, each))
    if fewest < settings.own.fewest_images:
        raise UserError(
            f"{images.source}: {settings.objective} compares the images of a batch with each other, but a batch has "
            f"{fewest} per process; raise --gan.batch-images and --gan.generator-batch-images, or give more images"
        )


def check_generator(generator: Generator, images: ImageSet, settings: CompleteGan) -> None:
    """Raise `UserError` for a generator that does not fit images (size, channels, classes) or settings."""
    check_size(images, generator)
    check_grown_generator(settings, generator)
    if generator.num_classes != (images.num_classes if settings.supervised else 0):
        raise UserError(
            f"{images.source}: a generator of {generator.num_classes} classes cannot be trained with "
            f"--gan.supervised {settings.supervised} on {images.num_classes} classes"
        )
