"""The plan of the measurement of what augmentation is worth. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import ASCENDING, Marks

WAYS = ("none", "diffaugment")


class Plan(Settings):
    """The subsets, the number of pairs of each, and the shares of the steps after which a training is scored."""

    num_images: Annotated[tuple[Positive, ...], Field(min_length=1), ASCENDING] = setting(
        (100, 300, 1000), "images of each subset; scores are against all"
    )
    seeds: Positive = setting(3, "pairs of each subset")
    seed: int = setting(0, "the first seed")
    marks: Marks = setting((1.0,), "shares of the steps at which a training is scored")

    def trials(self) -> Iterator[tuple[int, int, str]]:
        """Images, seed and augmentation of every trial; whole pairs first, so that a measurement cut short is one."""
        for seed in range(self.seed, self.seed + self.seeds):
            for num_images in self.num_images:
                for way in WAYS:
                    yield num_images, seed, way
