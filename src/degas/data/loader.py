"""Endless batches in an order that depends only on (seed, purpose, step, rank), so that resuming needs no state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.store import Store
from degas.errors import UserError
from degas.runtime.rng import numpy_generator
from degas.runtime.shares import Shares


@dataclass(frozen=True)
class Batch:
    """`index`: int64 (B,), row numbers of the image set; `images`: uint8 (B, C, H, W); `labels`: int64 (B,) or None.

    All are on the device of the `Batches` that made it.
    """

    index: Tensor
    images: Tensor
    labels: Tensor | None


class Batches:
    """`batches(step)` → `Batch`. Each epoch is a new permutation of `rows` (default: all rows), shared by all ranks.

    A step takes the next batch_images·begun_ranks entries, rank r the r-th of num_ranks slices of them, so that several
    ranks together see the same images as one rank with the larger batch, and as the `begun_ranks` that a resumed run
    began with (default: num_ranks). The incomplete rest of an epoch is dropped; it differs from epoch to epoch. With
    fewer rows than that, an epoch is one step, and each rank takes an equal slice of the whole set. Batches are on the
    device of `store`; default: the CPU.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_images: int,
        *,
        seed: int,
        purpose: str,
        rank: int = 0,
        num_ranks: int = 1,
        begun_ranks: int | None = None,
        rows: np.ndarray | None = None,
        horizontal_flip: bool = False,
        store: Store | None = None,
    ) -> None:
        self._set = images
        self._store = store or Store(images.images, torch.device("cpu"))
        self._rows = np.arange(images.num_images) if rows is None else np.asarray(rows, dtype=np.int64)
        shares = Shares(rank, num_ranks, begun_ranks or num_ranks)
        if len(self._rows) < max(num_ranks, shares.begun_ranks):
            raise UserError(f"{images.source}: {len(self._rows)} images cannot feed {num_ranks} processes")
        self.batch_images = shares.rows(min(batch_images, len(self._rows) // shares.begun_ranks))  # per rank
        self.steps_per_epoch = steps_per_epoch(len(self._rows), batch_images, shares.begun_ranks)
        self._seed, self._purpose = seed, purpose
        self._rank, self._num_ranks = rank, num_ranks
        self._flip = horizontal_flip
        self._order: tuple[int, np.ndarray] = (-1, self._rows)  # (epoch, its permutation): a cache of the last one

    def __call__(self, step: int) -> Batch:
        epoch, position = divmod(step, self.steps_per_epoch)
        start = (position * self._num_ranks + self._rank) * self.batch_images
        rows = self._permuted(epoch)[start : start + self.batch_images]
        pixels = self._store(rows)  # (B, C, H, W), a copy
        if self._flip:
            mirrored = self._store.send(self._mirrored(step))[:, None, None, None]
            pixels = torch.where(mirrored, pixels.flip(3), pixels)
        labels = self._set.labels
        return Batch(self._store.send(rows.copy()), pixels, None if labels is None else self._store.send(labels[rows]))

    def _permuted(self, epoch: int) -> np.ndarray:
        if self._order[0] != epoch:
            generator = numpy_generator(self._seed, f"{self._purpose}/order", epoch)
            self._order = (epoch, generator.permutation(self._rows))
        return self._order[1]

    def _mirrored(self, step: int) -> np.ndarray:
        """Return a mask of this rank's mirrored images, drawn for all ranks together, like the order."""
        draws = numpy_generator(self._seed, f"{self._purpose}/flip", step).random(self.batch_images * self._num_ranks)
        return draws[self._rank * self.batch_images :][: self.batch_images] < 0.5


def steps_per_epoch(num_images: int, batch_images: int, num_ranks: int = 1) -> int:
    """Return the number of whole batches of all ranks, at least 1: fewer images make one smaller batch."""
    return max(1, num_images // (batch_images * num_ranks))


def enough_epochs(steps_per_epoch: int, *, fewest_epochs: int, fewest_steps: int) -> int:
    """Return `fewest_epochs`, or more if `fewest_steps` need them: small sets take more passes."""
    return max(fewest_epochs, -(-fewest_steps // steps_per_epoch))


def split(num_images: int, num_held: int, *, seed: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (n,) of the remaining images and of the `num_held` held-out ones, each in ascending order.

    The draw depends only on `seed` and `purpose`.
    """
    order = numpy_generator(seed, purpose).permutation(num_images)
    return np.sort(order[num_held:]), np.sort(order[:num_held])
