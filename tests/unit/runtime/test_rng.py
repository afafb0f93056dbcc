"""Randomness depends on (seed, purpose, step, rank) and on nothing else."""

# ruff: noqa: PT012 - the blocks under test stand inside pytest.raises

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from degas.runtime.rng import derive_seed, forked_rng, numpy_generator, torch_generator


def test_values_are_pinned_across_releases() -> None:
    # a change here breaks the resume of every run in the world
    assert derive_seed(0, "noise") == 4475978358970933747
    assert derive_seed(7, "dropout", 3, 1) == 3461358048381431351


def test_every_argument_matters() -> None:
    quadruples = itertools.product([0, 1, -1, 2**70], ["a", "b", "a|1", ""], [0, 1, 12], [0, 1, 2])
    seeds = [derive_seed(*quadruple) for quadruple in quadruples]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_numpy_integers_are_plain_integers() -> None:
    assert derive_seed(np.int64(5), "x", np.int32(2)) == derive_seed(5, "x", 2)


def test_generators_repeat_and_differ() -> None:
    def draw(step: int) -> torch.Tensor:
        return torch.rand(4, generator=torch_generator(1, "x", step))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
    first, again = (numpy_generator(1, "x", 3).random(4) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, numpy_generator(1, "x", 3, rank=1).random(4))


def test_neighbouring_steps_are_not_correlated() -> None:
    draws = torch.stack([torch.randn(200, generator=torch_generator(0, "x", step)) for step in range(20)])
    off_diagonal = torch.corrcoef(draws) - torch.eye(20)
    assert off_diagonal.abs().max() < 0.35  # 5 standard deviations of 1/√200


def test_forked_rng_sets_and_restores_the_global_state() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with forked_rng(0, "dropout", 5):
        inside = torch.nn.functional.dropout(torch.ones(50), 0.5)
    assert torch.equal(torch.rand(3), expected)
    with forked_rng(0, "dropout", 5):
        assert torch.equal(torch.nn.functional.dropout(torch.ones(50), 0.5), inside)
    with forked_rng(0, "dropout", 6):
        assert not torch.equal(torch.nn.functional.dropout(torch.ones(50), 0.5), inside)


def test_forked_rng_restores_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), forked_rng(0, "x"):
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


def test_forked_rng_nests() -> None:
    with forked_rng(0, "outer"):
        alone = torch.rand(2)
    with forked_rng(0, "outer"):
        with forked_rng(0, "inner"):
            torch.rand(7)
        assert torch.equal(torch.rand(2), alone)
