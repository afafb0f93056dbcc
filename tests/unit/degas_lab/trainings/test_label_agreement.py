"""Shuffled labels keep their counts; both trainings are judged by the classifier of the true ones; a stop goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_gan import toy_images

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.settings import resolve_gan
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.trainings import label_agreement as module
from degas_lab.trainings.label_agreement import label_agreement, shuffled_labels

SETTINGS = resolve_gan(GanSettings(supervised=True, num_steps=2, width=4, batch_images=4, generator_batch_images=4))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark from bright is learned in a few steps."""
    monkeypatch.setattr(module, "train_classifier", partial(module.train_classifier, num_epochs=60, progress=False))


def labelled(num_images: int = 60) -> ImageSet:
    """Black and white images, class 0 dark and class 1 bright."""
    images = toy_images(num_images, 8)
    labels = np.arange(num_images) % 2
    pixels = np.where(labels[:, None, None, None] == 1, 255, 0).astype(np.uint8) * np.ones_like(images.images)
    return replace(images, images=pixels, labels=labels, class_names=("dark", "bright"))


def architecture(images: ImageSet) -> Architecture:
    space = SearchSpace(1)
    return Architecture(1, 1, 4, 4, 6, images.channels, space.draw(0))


def test_shuffled_labels_mean_nothing_and_count_the_same() -> None:
    images = labelled()
    shuffled = shuffled_labels(images, 0)
    assert images.labels is not None
    assert shuffled.labels is not None
    assert np.bincount(shuffled.labels).tolist() == np.bincount(images.labels).tolist()
    assert 0.3 < np.mean(shuffled.labels == images.labels) < 0.7
    assert shuffled.fingerprint != images.fingerprint
    assert shuffled.images is images.images


def test_both_trainings_are_judged_and_a_second_call_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for training that paints what the labels of its data say: the judge must tell the two apart."""
    images = labelled()
    calls: list[ImageSet] = []

    class Painter(Generator):
        true: bool = True

        def forward(self, noise: Any, labels: Any = None) -> Any:
            asked = labels if self.true else noise[:, 0] > 0
            shape = (len(noise), self.channels, self.image_size, self.image_size)
            return (asked.float() * 2 - 1)[:, None, None, None].expand(shape)

    def train(generator: Generator, data: ImageSet, settings: Any, score: Callable[..., Any], **_: Any) -> Any:
        calls.append(data)
        generator.__class__ = Painter
        generator.true = data is images  # type: ignore[attr-defined]
        return {"history": [score(generator)]}

    monkeypatch.setattr(module, "train_and_score", train)
    with Engine(device="cpu") as engine:
        run = lambda: label_agreement(  # noqa: E731
            architecture(images), images, SETTINGS, tmp_path, engine=engine, num_samples=64, say=lambda _: None
        )
        records = run()
        assert records["true"]["history"][-1]["agreement"] == 1.0
        assert records["true"]["history"][-1]["held_out_accuracy"] == 1.0
        assert records["true"]["history"][-1]["confidence"] > 0.9
        assert records["true"]["history"][-1]["distance"] >= 0
        assert 0.3 < records["shuffled"]["history"][-1]["agreement"] < 0.7
        assert run() == records
    assert len(calls) == 2


def test_a_real_training_is_judged(tmp_path: Path) -> None:
    images = labelled()
    with Engine(device="cpu") as engine:
        records = label_agreement(
            architecture(images), images, SETTINGS, tmp_path, engine=engine, num_samples=16, say=lambda _: None
        )
    for record in records.values():
        assert record["steps"] == 2
        assert 0 <= record["history"][-1]["agreement"] <= 1


def test_without_labels_there_is_nothing_to_agree_with(tmp_path: Path) -> None:
    images = toy_images(8, 8)
    with Engine(device="cpu") as engine, pytest.raises(UserError, match="needs labels"):
        label_agreement(architecture(images), replace(images, labels=None), SETTINGS, tmp_path, engine=engine)
