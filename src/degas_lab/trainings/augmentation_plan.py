"""The plan of the measurement of augmentation. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import ASCENDING, Marks

WAYS = ("none", "diffaugment")


class Plan(Settings):
    """The subsets, the number of pairs of each, and the marks at which a training is scored."""

    num_images: Annotated[tuple[Positive, ...], Field(min_length=1), ASCENDING] = setting(
        (100, 300, 1000), "images of each subset; scores are against all"
    )
    seeds: Positive = setting(3, "pairs of each subset")
    seed: int = setting(0, "the first seed")
    marks: Marks = setting((1.0,), "shares of the steps at which a training is scored")

    def trials(self) -> Iterator[tuple[int, int, str]]:
        """Images, seed and augmentation of every trial, pair by pair, so that a stopped measurement is usable."""
        for seed in range(self.seed, self.seed + self.seeds):
            for num_images in self.num_images:
                for way in WAYS:
                    yield num_images, seed, way
