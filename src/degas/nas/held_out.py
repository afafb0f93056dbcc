"""The split of images into fitted and held-out ones."""

from __future__ import annotations

import numpy as np

from degas.data.loader import split
from degas.errors import UserError


def num_held_out(num_images: int, fraction: float) -> int:
    return round(fraction * num_images)


def split_held_out(num_images: int, fraction: float, *, seed: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (n,) of fitted and of held-out images, each in ascending order; drawn from `seed` and `purpose`.

    Raises `UserError` if either part would be empty.
    """
    num_held = num_held_out(num_images, fraction)
    if not 0 < num_held < num_images:
        part = "to hold out" if num_held == 0 else "to fit"
        raise UserError(
            f"search: held_out_fraction {fraction:g} of {num_images} images leaves none {part}; "
            f"choose another --search.held-out-fraction"
        )
    return split(num_images, num_held, seed=seed, purpose=purpose)
