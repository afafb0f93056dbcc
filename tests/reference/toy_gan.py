"""Toy images, generators and runs for the tests of adversarial training; not an oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from degas.data.image_set import ImageSet
from degas.gan.settings import CompleteGan, resolve_gan
from degas.gan.stage import train_into
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.comparison import Rules
from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import GanSettings
from degas.space.architecture import Architecture
from degas.space.graph import Order, SearchSpace

SMALL: dict[str, Any] = {"width": 4, "batch_images": 4, "log_steps": 1, "sample_steps": 100, "num_steps": 2}


def toy_images(num_images: int = 24, size: int = 8, channels: int = 3) -> ImageSet:
    """Two classes, dark and bright, with noise; the labels alternate."""
    labels = np.arange(num_images, dtype=np.int64) % 2
    random = np.random.default_rng(0)
    pixels = random.integers(0, 100, (num_images, channels, size, size))
    images = (pixels + 150 * labels[:, None, None, None]).astype(np.uint8)
    return ImageSet(images, labels, ("dark", "bright"), "toy", "0" * 64)


def toy_generator(
    num_classes: int = 0, channels: int = 3, kind: str = "resnet", num_stages: int = 1, order: Order = "normal-up"
) -> Generator:
    with forked_rng(3, "toy generator"):
        if kind == "architecture":
            edges = SearchSpace(num_stages, 1, order=order).draw(0)
            architecture = Architecture(num_stages, 1, 4, 4, 6, channels, edges, order=order)
            return Generator.from_architecture(architecture, num_classes)
        return Generator.from_baseline(
            kind, width=4, noise_size=6, base_size=4, num_stages=num_stages, channels=channels, num_classes=num_classes
        )


def toy_settings(**changes: Any) -> CompleteGan:
    return resolve_gan(GanSettings(**{**SMALL, **changes}))


def toy_steps(seed: int = 1, **changes: Any) -> Steps:
    settings = toy_settings(**changes)
    generator = toy_generator(2 if settings.supervised else 0)
    return Steps(generator, toy_images(), settings, seed=seed, engine=Engine(settings.precision, "cpu"))


def toy_training(
    path: Path,
    *,
    resume: bool = False,
    on_evaluate: Any = None,
    seed: int = 1,
    progress: bool = False,
    num_stages: int = 1,
    kind: str = "resnet",
    **changes: Any,
) -> Generator:
    settings = toy_settings(**changes)
    generator = toy_generator(2 if settings.supervised else 0, kind=kind, num_stages=num_stages)
    rules = Rules(frozenset({"stop_step"}))  # as in the stage, where it changes no result
    with StageFolder(path, settings=settings.as_config(), resume=resume, kind="train", rules=rules) as folder:
        if not folder.known_done():
            train_into(
                folder,
                generator,
                toy_images(size=4 * 2**num_stages),
                settings,
                seed=seed,
                device="cpu",
                make_evaluate=None if on_evaluate is None else lambda _device: on_evaluate,
                progress=progress,
            )
        return Generator.load(path / "generator")
