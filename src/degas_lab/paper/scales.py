"""The sizes of the paper's tables: `smoke` for CI, `small` for two cores, `paper` for a GPU. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """What a scale changes of the preset `paper`, for every row.

    Attributes:
        seeds: each searches and trains once.
        width: channels of the searched generators, and of `resnet`.
        search_images: images of a search; None: all.
        exact_data: the data sets must have the paper's number of images.
    """

    about: str
    seeds: tuple[int, ...]
    width: int
    search_images: int | None = None
    exact_data: bool = False
    search: dict[str, Any] = field(default_factory=dict)
    gan: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)


SCALES = {
    "smoke": Scale(
        "every row in a minute on tiny files, which it writes itself; the numbers mean nothing",
        seeds=(0, 1),
        width=2,
        search={"num_epochs": 1, "batch_images": 8, "plateau_share": 0.0, "perturbation_batches": 1},
        gan={"num_steps": 1, "width": 2, "batch_images": 4, "critic_steps": 1},
        evaluate={"extractor": "imagenet", "num_samples": 8, "untrained": False},
    ),
    "small": Scale(
        "narrow networks and short trainings for two cores; 50 visits of a latent, as in the paper",
        seeds=(0, 1, 2),
        width=16,
        search_images=3200,
        gan={"num_steps": 500, "width": 16, "batch_images": 32},
        evaluate={"extractor": "imagenet", "num_samples": 5000, "untrained": False},
    ),
    "paper": Scale(
        "the paper's own protocol, for a GPU",
        seeds=(0, 1, 2),
        width=128,
        exact_data=True,
    ),
}
