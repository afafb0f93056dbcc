"""The shares of processes in whole batches: equal slices, in order, and the draws of those that the run began with."""

from __future__ import annotations

import itertools

import pytest
import torch

from degas.errors import UserError
from degas.runtime.rng import torch_generator
from degas.runtime.shares import Shares


@pytest.mark.parametrize(("begun", "now"), list(itertools.product((1, 2, 3, 4), (1, 2, 3, 6))))
def test_shares_are_equal_and_together_the_whole(begun: int, now: int) -> None:
    each, whole = 6, torch.arange(6 * begun)
    shares = [Shares(rank, now, begun) for rank in range(now)]
    assert {len(share.own(whole)) for share in shares} == {share.rows(each) for share in shares}
    assert torch.equal(torch.cat([share.own(whole) for share in shares]), whole)


@pytest.mark.parametrize(("begun", "now"), list(itertools.product((1, 2, 3), (1, 2, 3, 6))))
def test_draws_are_those_of_the_beginning(begun: int, now: int) -> None:
    def draw(rows: torch.Tensor, rank: int) -> torch.Tensor:
        return rows + torch.rand(rows.shape, generator=torch_generator(7, "test", 3, rank))

    whole = torch.arange(12.0 * begun).reshape(-1, 2)  # (6·begun, 2)
    wanted = torch.cat([draw(part, rank) for rank, part in enumerate(whole.chunk(begun))])
    shares = [Shares(rank, now, begun) for rank in range(now)]
    found = torch.cat([share.as_begun(share.own(whole), draw) for share in shares])
    assert torch.equal(found, wanted)


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    assert Shares(0, 4, 2).rows(2) == 1  # what counts is the whole batch
    with pytest.raises(
        UserError, match=r"cannot resume with 3 processes: the run's batches have 8 images, .* divides 8"
    ):
        Shares(0, 3, 2).rows(4)
