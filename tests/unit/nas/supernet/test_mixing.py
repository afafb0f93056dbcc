"""Mixing weights against the exponentials written out."""

from __future__ import annotations

import math

import pytest
import torch

from degas.nas.supernet.mixing import Mixing, PathMixing

ALPHA = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)


def shares(logits: list[float]) -> list[float]:
    powers = [math.exp(logit) for logit in logits]
    return [power / math.fsum(powers) for power in powers]


def test_by_default_it_is_softmax_to_the_bit() -> None:
    alpha = torch.randn(9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Mixing()(alpha), torch.softmax(alpha, dim=0))
    assert torch.equal(Mixing(keep=(True,) * 9)(alpha), torch.softmax(alpha, dim=0))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_temperature_and_noise(temperature: float) -> None:
    noise = torch.tensor([1.0, 0.5, -0.25], dtype=torch.float64)
    expected = shares([(a + g) / temperature for a, g in zip(ALPHA.tolist(), noise.tolist(), strict=True)])
    assert Mixing(temperature, noise)(ALPHA).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_mask_leaves_the_others_their_proportions() -> None:
    weights = Mixing(keep=(True, False, True))(ALPHA).tolist()
    full = Mixing()(ALPHA).tolist()
    assert weights[1] == 0.0
    assert weights == pytest.approx([full[0] / (full[0] + full[2]), 0.0, full[2] / (full[0] + full[2])])


def test_a_mask_on_all_the_weight_leaves_numbers() -> None:
    alpha = torch.tensor([500.0, 0.0, 0.0], requires_grad=True)
    weights = Mixing(keep=(False, True, True))(alpha)
    assert weights.tolist() == [0.0, 0.5, 0.5]
    weights[1].backward()
    assert alpha.grad is not None
    assert alpha.grad.tolist() == [0.0, 0.25, -0.25]


def test_an_edge_without_operations_weighs_nothing() -> None:
    assert Mixing(keep=(False,) * 3)(ALPHA).tolist() == [0.0, 0.0, 0.0]


def test_a_gain_multiplies_the_weights_and_leaves_the_shares() -> None:
    mixing = Mixing(keep=(True, False, True), gain=0.4)
    assert mixing(ALPHA).tolist() == pytest.approx([0.4 * share for share in mixing.shares(ALPHA).tolist()])
    assert float(mixing.shares(ALPHA).sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("keep", [None, (True, False, True)])
def test_a_path_has_the_value_of_its_gate_and_the_gradient_of_the_softmax(keep: tuple[bool, ...] | None) -> None:
    noise = torch.tensor([1.0, 0.5, -0.25], dtype=torch.float64)
    slopes = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    gradients = []
    for kind, more in ((PathMixing, {"active": 2}), (Mixing, {})):
        alpha = ALPHA.clone().requires_grad_()
        weights = kind(0.7, noise, keep, **more)(alpha)
        if kind is PathMixing:
            assert weights.tolist() == [0.0, 0.0, 1.0]
        gradients.append(torch.autograd.grad((slopes * weights).sum(), alpha)[0])
    assert torch.equal(*gradients)
    assert float(gradients[0].abs().max()) > 0
