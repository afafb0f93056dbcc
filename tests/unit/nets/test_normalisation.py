"""Batch norm: biased statistics, still buffers, recalibration, labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from degas.errors import UserError
from degas.nets.normalisation import BatchNorm, ConditionalBatchNorm, frozen_buffers, recalibrate


def test_training_output_is_torchs() -> None:
    x = torch.randn(5, 3, 4, 4)
    assert torch.allclose(BatchNorm(3)(x), torch.nn.BatchNorm2d(3)(x), atol=1e-6)


def test_the_running_variance_is_biased() -> None:
    norm, x = BatchNorm(3, momentum=1.0).double(), torch.randn(5, 3, 2, 2, dtype=torch.float64)
    norm(x)
    assert torch.allclose(norm.running_var, x.var((0, 2, 3), unbiased=False), rtol=1e-12)
    assert torch.allclose(norm.running_mean, x.mean((0, 2, 3)), rtol=1e-12)


def test_nearest_up_sampling_commutes_with_the_running_statistics() -> None:
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    low, high = BatchNorm(3).double(), BatchNorm(3).double()
    low(x), high(F.interpolate(x, scale_factor=2))
    assert torch.allclose(low.running_var, high.running_var, rtol=1e-12)


def test_momentum_moves_the_buffers_part_of_the_way() -> None:
    norm, x = BatchNorm(2, momentum=0.25), torch.randn(8, 2, 2, 2)
    norm(x)
    assert torch.allclose(norm.running_mean, 0.25 * x.mean((0, 2, 3)), atol=1e-6)


def test_frozen_buffers_stand_still_and_the_output_does_not_change() -> None:
    norm, x = BatchNorm(3), torch.randn(5, 3, 4, 4)
    with frozen_buffers(norm):
        frozen = norm(x)
    assert torch.equal(norm.running_mean, torch.zeros(3))
    assert torch.equal(frozen, norm(x))
    assert not torch.equal(norm.running_mean, torch.zeros(3))


def test_nested_frozen_buffers_stay_frozen_until_the_outer_one_ends() -> None:
    norm, x = BatchNorm(3), torch.randn(5, 3, 4, 4)
    with frozen_buffers(norm):
        with frozen_buffers(norm):
            norm(x)
        norm(x)
    assert torch.equal(norm.running_mean, torch.zeros(3))


def test_recalibration_gives_the_plain_mean_over_the_batches() -> None:
    norm = BatchNorm(2).eval()
    batches = torch.randn(7, 6, 2, 3, 3)
    recalibrate(norm, lambda k: norm(batches[k]), 7)
    assert torch.allclose(norm.running_mean, batches.mean((0, 1, 3, 4)), atol=1e-6)
    assert torch.allclose(norm.running_var, batches.var((1, 3, 4), unbiased=False).mean(0), atol=1e-6)
    assert (norm.momentum, norm.training) == (0.1, False)


def test_the_conditional_norm_scales_by_label() -> None:
    norm, x = ConditionalBatchNorm(2, 3), torch.randn(4, 2, 3, 3)
    with torch.no_grad():
        norm.class_weight[1], norm.class_bias[1] = 2.0, 5.0
    labels = torch.tensor([0, 1, 0, 1])
    plain = F.batch_norm(x, None, None, training=True)
    expected = torch.where(labels[:, None, None, None] == 1, 2 * plain + 5, plain)
    assert torch.allclose(norm(x, labels), expected, atol=1e-5)


def test_the_conditional_norm_asks_for_labels() -> None:
    with pytest.raises(ValueError, match="labels"):
        ConditionalBatchNorm(2, 3)(torch.randn(4, 2, 3, 3))


@pytest.mark.parametrize("still", [False, True])
def test_one_value_a_channel_is_refused_in_one_line(still: bool) -> None:
    norm = BatchNorm(3)
    norm.update_buffers = not still
    with pytest.raises(UserError, match="one image of 1×1 pixels has no batch statistics; take two"):
        norm(torch.randn(1, 3, 1, 1))
    norm(torch.randn(2, 3, 1, 1))
    norm.eval()(torch.randn(1, 3, 1, 1))
