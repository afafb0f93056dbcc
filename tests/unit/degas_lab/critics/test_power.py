"""The test power against loops over pairs, and what it must not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from degas_lab.critics.power import LEAST_VARIANCE, two_sample_power


def by_loops(real: Tensor, fake: Tensor) -> float:
    """Liu et al. 2020, eq. 4 and 5, pair by pair."""
    n = len(real)

    def k(a: Tensor, b: Tensor) -> float:
        return math.exp(-0.5 * float((a - b).square().sum()))

    def pair(i: int, j: int) -> float:
        return k(real[i], real[j]) + k(fake[i], fake[j]) - k(real[i], fake[j]) - k(real[j], fake[i])

    h = [[pair(i, j) for j in range(n)] for i in range(n)]
    mmd = sum(h[i][j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    variance = 4 / n**3 * sum(sum(row) ** 2 for row in h) - 4 / n**4 * sum(map(sum, h)) ** 2
    return mmd / math.sqrt(variance + LEAST_VARIANCE)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_it_is_the_formula_pair_by_pair() -> None:
    real, fake = torch.randn(7, 3).double(), 0.7 + torch.randn(7, 3).double()
    assert float(two_sample_power(real, fake)) == pytest.approx(by_loops(real, fake), rel=1e-9)
    scale = torch.cat([real[:, 0], fake[:, 0]]).std()
    expected = by_loops(real[:, :1] / scale, fake[:, :1] / scale)
    assert float(two_sample_power(real[:, 0], fake[:, 0])) == pytest.approx(expected, rel=1e-6)


def test_the_scale_of_single_scores_does_not_matter_and_separation_does() -> None:
    real, noise = torch.randn(64), torch.randn(64)
    powers = [float(two_sample_power(real, noise + shift)) for shift in (0.0, 1.0, 3.0)]
    assert powers[0] < powers[1] < powers[2]
    assert float(two_sample_power(100 * real - 5, 100 * (noise + 1.0) - 5)) == pytest.approx(powers[1], rel=1e-3)


def test_scores_told_apart_perfectly_have_a_bounded_power_and_a_finite_gradient() -> None:
    real = torch.zeros(8, 2).requires_grad_()
    power = two_sample_power(real, torch.full((8, 2), 50.0))
    assert float(power.detach()) == pytest.approx(2 / math.sqrt(LEAST_VARIANCE), rel=1e-3)
    power.backward()
    assert real.grad is not None
    assert bool(real.grad.isfinite().all())


def test_equal_scores_have_no_power() -> None:
    for shape in ((8,), (8, 3)):
        assert float(two_sample_power(torch.ones(shape), torch.ones(shape))) == pytest.approx(0.0, abs=1e-6)
