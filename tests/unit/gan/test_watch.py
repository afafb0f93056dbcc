"""What stops a run and what it warns of."""

from __future__ import annotations

import pytest
import torch

from degas.gan import watch
from degas.runtime.finite import NonFiniteError


def test_a_divergence_says_what_to_lower() -> None:
    with pytest.raises(NonFiniteError, match=r"step 7: critic penalty is nan: .*--gan\.critic-lr"):
        watch.training_watch(deferred=False).add(7, {"critic penalty": torch.tensor(float("nan"))})


def test_exploded_penalty() -> None:
    assert watch.exploded(5, {"critic_penalty": 1.0, "critic_loss": 1e6}) is None
    assert "penalty is 500" in (watch.exploded(5, {"critic_penalty": 500.0}) or "")
    assert watch.exploded(5, {"critic_real_penalty": 500.0}) is None
    assert "real_penalty" in (watch.exploded(5, {"critic_real_penalty": 1e6}) or "")


def test_diversity_of_like_sets_is_about_one_and_of_copies_zero() -> None:
    torch.manual_seed(0)
    reals, others = (torch.randn(64, 1, 8, 8) for _ in range(2))
    assert watch.diversity(others, reals) == pytest.approx(1.0, abs=0.1)
    copies = others[:1].repeat(64, 1, 1, 1)
    assert watch.diversity(copies, reals) < 1e-3
    assert watch.collapsed(900, watch.diversity(copies, reals)) is not None
    assert watch.collapsed(99, watch.diversity(copies, reals)) is None  # it has only begun
    assert watch.collapsed(900, watch.diversity(others, reals)) is None


def test_a_few_modes_are_a_collapse_too() -> None:
    """Their spread is large; their nearest neighbours are not."""
    torch.manual_seed(0)
    reals = torch.randn(64, 1, 8, 8)
    modes = torch.randn(4, 1, 8, 8).repeat(16, 1, 1, 1) + 0.01 * torch.randn(64, 1, 8, 8)
    assert watch.collapsed(900, watch.diversity(modes, reals)) is not None


def test_bytes_are_fine() -> None:
    images = torch.randint(0, 256, (8, 3, 4, 4), dtype=torch.uint8)
    assert watch.diversity(images, images) == pytest.approx(1.0)
