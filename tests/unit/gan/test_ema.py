"""The averaged generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from degas.gan.ema import RAMP, Average, decay_of


def test_half_life_halves() -> None:
    """After half_life images the old weights count for a half, however many steps that took."""
    for batch in (1, 10, 100):
        assert decay_of(10**9, batch, 1000) ** (1000 / batch) == pytest.approx(0.5)


def test_half_life_grows_from_zero() -> None:
    assert decay_of(0, 10, 1000) == 0.0
    decays = [decay_of(seen, 10, 1000) for seen in (10, 100, 1000, 10_000, 10**6)]
    assert decays == sorted(decays)
    assert decay_of(100, 10, 1000) == pytest.approx(0.5 ** (10 / (RAMP * 100)))
    assert decay_of(10**6, 10, 1000) == pytest.approx(0.5**0.01)


def test_half_life_grows_by_a_cosine_to_its_full_value() -> None:
    for progress, share in ((1 / 3, 0.25), (0.5, 0.5), (2 / 3, 0.75), (1.0, 1.0)):
        assert decay_of(10, 100, 1000, progress) == pytest.approx(0.5 ** (100 / (1000 * share)))
    assert decay_of(10, 100, 1000, 0.0) == 0.0


def test_average_is_the_recursion_buffers_included() -> None:
    module = nn.BatchNorm2d(3, affine=True)
    module.num_batches_tracked = None
    average = Average(module, half_life_images=50)
    expected = {name: value.clone() for name, value in module.state_dict().items()}
    for step in range(1, 6):
        with torch.no_grad():
            for value in module.state_dict().values():
                value.copy_(torch.randn(3))
        average.update(module, step * 100, 100)
        beta = decay_of(step * 100, 100, 50)
        expected = {k: beta * expected[k] + (1 - beta) * v for k, v in module.state_dict().items()}
    for name, value in average.module.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-6), name


def test_trained_weights_are_averaged_in_from_the_first_step() -> None:
    """Fresh ones are forgotten at once: after one step of an eighth of the half-life they count for nothing."""
    module = nn.Linear(2, 2)
    shares = []
    for trained in (True, False):
        with torch.no_grad():
            module.weight.fill_(1)
        average = Average(module, half_life_images=800, trained=trained)
        with torch.no_grad():
            module.weight.fill_(0)
        average.update(module, 100, 100)
        shares.append(float(average.module.weight[0, 0]))
    assert shares == pytest.approx([0.5**0.125, 0.5**20], rel=1e-5)


def test_average_shares_nothing_with_the_module_and_needs_no_gradient() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 50)
    with torch.no_grad():
        module.weight.add_(1)
    assert not torch.equal(average.module.weight, module.weight)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_what_is_no_floating_point_number_is_copied() -> None:
    """A counter among somebody's own buffers."""
    module = nn.BatchNorm2d(3)
    average = Average(module, half_life_images=50)
    module(torch.randn(2, 3, 4, 4))
    average.update(module, 1000, 100)
    assert average.module.num_batches_tracked == module.num_batches_tracked == 1
