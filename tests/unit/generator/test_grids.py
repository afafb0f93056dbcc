from __future__ import annotations

from typing import Any

import numpy as np
import torch

from degas.data.image_set import ImageSet
from degas.generator.generator import Generator
from degas.generator.grids import class_rows, real_grid, sample_grid, spread


def make(num_classes: int = 0, names: tuple[str, ...] = ()) -> Generator:
    torch.manual_seed(0)
    sizes: Any = {"width": 4, "noise_size": 4, "base_size": 4, "num_stages": 1, "channels": 1}
    return Generator.from_baseline("dcgan", num_classes=num_classes, class_names=names, **sizes)


def reals(counts: dict[str, int]) -> ImageSet:
    """Images whose grey is their number in the set, class by class."""
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    images = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 1, 8, 8))
    return ImageSet(images.copy(), labels, tuple(counts), "made", "made")


def greys(images: ImageSet, generator: Generator) -> list[int]:
    return [int(image[0, 0, 0]) for image in real_grid(images, generator)]


def test_without_classes_they_are_64_spread_over_the_set() -> None:
    assert greys(reals({"a": 100, "b": 100}), make()) == list(range(0, 192, 3))
    assert greys(reals({"a": 5}), make()) == [0, 1, 2, 3, 4]
    assert sample_grid(make(), 3).shape == (64, 1, 8, 8)


def test_with_classes_each_has_a_row_by_its_name() -> None:
    generator = make(3, ("b", "x", "a"))
    found = greys(reals({"a": 16, "b": 3}), generator)
    white = [255]
    assert found == [16, 17, 18, *white * 5, *white * 8, *range(0, 16, 2)]
    samples = sample_grid(generator, 3)
    assert torch.equal(samples, generator.sample(24, 3, [0] * 8 + [1] * 8 + [2] * 8))


def test_classes_without_names_go_by_number_and_images_without_labels_are_spread() -> None:
    assert greys(reals({"a": 8, "b": 8}), make(2)) == list(range(16))
    unlabelled = ImageSet(reals({"a": 40}).images, None, (), "made", "made")
    assert greys(unlabelled, make(2)) == list(range(0, 32, 2))


def test_no_more_than_ten_rows() -> None:
    assert len(sample_grid(make(12), 0)) == 80
    assert len(real_grid(reals({str(k): 2 for k in range(12)}), make(12))) == 80


def test_spread_starts_with_the_first() -> None:
    assert spread(np.arange(10), 3).tolist() == [0, 3, 6]
    assert spread(np.arange(2), 3).tolist() == [0, 1]
    assert spread(np.arange(0), 3).tolist() == []


def test_a_runs_picture_has_rows_of_one_class() -> None:
    assert class_rows(0) is None
    for num_classes in (1, 2, 3, 10, 37):
        rows = class_rows(num_classes).reshape(10, 10)
        assert (rows == rows[:, :1]).all()
        first = rows[:, 0].tolist()
        assert first == sorted(first)
        assert len(set(first)) == min(num_classes, 10)
        assert max(first) < num_classes
        counts = [first.count(label) for label in set(first)]
        assert max(counts) - min(counts) <= 1
