"""The share of a process in each batch of a run, also where a run is resumed with another number of processes.

Batches, steps of an epoch, noise and labels belong to the processes that a run *began* with. Resumed with others, these
share the same whole batches anew: each takes the next of equal slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from degas.errors import UserError


@dataclass(frozen=True)
class Shares:
    """This process is number `rank` of `num_ranks`; the run began with `begun_ranks`."""

    rank: int = 0
    num_ranks: int = 1
    begun_ranks: int = 1

    def rows(self, each: int) -> int:
        """This process's rows of a batch to which each process of the beginning gave `each`.

        Raises `UserError` if the batch cannot be shared equally.
        """
        whole = each * self.begun_ranks
        if whole % self.num_ranks:
            raise UserError(
                f"cannot resume with {self.num_ranks} processes: the run's batches have {whole} images, which they "
                f"cannot share equally; resume with {self.begun_ranks}, or another number that divides {whole}"
            )
        return whole // self.num_ranks

    def own(self, rows: Tensor) -> Tensor:
        """This process's rows, a view, of those of a whole batch, (B, …)."""
        return rows.chunk(self.num_ranks)[self.rank]

    def as_begun(self, rows: Tensor, draw: Callable[[Tensor, int], Tensor]) -> Tensor:
        """`draw(rows, rank)` for this process's `rows` (n, …), with the draws of the processes that the run began with.

        Each of those draws for all its rows at once; rows that are not here are zeros.
        """
        if self.begun_ranks == self.num_ranks:
            return draw(rows, self.rank)
        whole = rows.new_zeros((len(rows) * self.num_ranks, *rows.shape[1:]))
        self.own(whole).copy_(rows)
        return self.own(torch.cat([draw(part, rank) for rank, part in enumerate(whole.chunk(self.begun_ranks))]))
