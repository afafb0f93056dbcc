from __future__ import annotations

from typing import Any

import pytest
import torch

from degas.errors import UserError
from degas.generator.generator import Generator, draw_noise
from degas.generator.walk import as_legs, between, walk, walk_noise


def make(num_classes: int = 0, noise_size: int = 16) -> Generator:
    torch.manual_seed(0)
    sizes: Any = {"width": 4, "noise_size": noise_size, "base_size": 4, "num_stages": 1, "channels": 3}
    return Generator.from_baseline("dcgan", num_classes=num_classes, **sizes)


def test_the_way_turns_by_equal_angles_while_its_length_changes_evenly() -> None:
    start, end = torch.tensor([2.0, 0, 0]), torch.tensor([0.0, 5, 0])
    way = between(start, end, 2)
    lengths = way.norm(dim=1)
    assert lengths.tolist() == pytest.approx([3, 4])
    angles = torch.rad2deg(torch.atan2(way[:, 1], way[:, 0]))
    assert angles.tolist() == pytest.approx([30, 60])
    assert way[:, 2].tolist() == [0, 0]


def test_it_stays_on_the_sphere_where_the_straight_line_leaves_it() -> None:
    ends = draw_noise(2, 512, 0)
    way = between(ends[0], ends[1], 9)
    bounds = sorted(float(end.norm()) for end in ends)
    assert float(way.norm(dim=1).min()) >= bounds[0] - 1e-3
    assert float(way.norm(dim=1).max()) <= bounds[1] + 1e-3
    assert float(((ends[0] + ends[1]) / 2).norm()) < 0.8 * bounds[0]


@pytest.mark.parametrize("end", [[1.0, 2.0], [-2.0, -4.0], [3.0, 6.0], [0.0, 0.0]])
def test_where_no_great_circle_is_defined_it_is_the_straight_line(end: list[float]) -> None:
    start = torch.tensor([1.0, 2.0])
    way = between(start, torch.tensor(end), 3)
    assert torch.isfinite(way).all()
    assert torch.allclose(way[1], (start + torch.tensor(end)) / 2)


def test_the_walk_is_closed_and_holds_the_samples_themselves() -> None:
    ends = draw_noise(3, 8, 5)
    noise = walk_noise(ends, 4)
    assert noise.shape == (15, 8)
    assert torch.equal(noise[::5], ends)
    assert torch.equal(noise[11:], between(ends[2], ends[0], 4))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_its_images_at_the_samples_are_the_samples(num_classes: int) -> None:
    generator = make(num_classes)
    label = 2 if num_classes else None
    images = walk(generator, 30, 4, seed=3, label=label)  # more than one batch
    assert images.shape == (150, 3, 8, 8)
    assert images.dtype == torch.uint8
    samples = generator.sample(30, seed=3, labels=label)
    assert int((images[::5].int() - samples.int()).abs().max()) <= 1  # a batch of another shape: the last bits
    assert not torch.equal(images[1], images[0])


def test_each_leg_shows_the_sample_that_it_leads_to() -> None:
    images = torch.arange(6).reshape(6, 1, 1, 1)  # three samples, one image between each two
    assert as_legs(images, 1).flatten().tolist() == [0, 1, 2, 2, 3, 4, 4, 5, 0]


def test_one_sample_is_no_walk() -> None:
    with pytest.raises(UserError, match="--num-images: a walk connects at least two samples"):
        walk(make(), 1, 3)
