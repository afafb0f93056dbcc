"""Every loss against a closed form or a double loop, and its gradients against finite differences in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from degas.gan import losses


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Tiny(nn.Module):
    """A smooth critic of 3-channel images: softplus, so that second derivatives exist everywhere and are not 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(0.3 * draws(4, 3, 3, 3, seed=1))
        self.last = nn.Parameter(0.5 * draws(4, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.softplus(nn.functional.conv2d(x, self.first, padding=1))
        return hidden.mean((2, 3)) @ self.last


PURE: dict[str, tuple[Callable[..., Tensor], list[Tensor]]] = {
    "wasserstein_critic": (losses.wasserstein_critic, [draws(5), draws(4, seed=1)]),
    "wasserstein_generator": (losses.wasserstein_generator, [draws(5)]),
    "gradient_penalty": (losses.gradient_penalty, [draws(5).square() + 0.1]),
    "consistency": (
        lambda a, b, c, d: losses.consistency(a, b, c, d, 2.0, 0.2, 0.5),
        [draws(6), draws(6, seed=1), draws(6, 3, seed=2), draws(6, 3, seed=3)],
    ),
    "hinge_critic": (losses.hinge_critic, [2 * draws(6), 2 * draws(6, seed=1)]),
    "relativistic": (losses.relativistic, [draws(5), draws(5, seed=1)]),
    "zero_centred_penalty": (losses.zero_centred_penalty, [draws(5).square()]),
    "repulsive_critic": (lambda a, b: losses.repulsive_critic(a, b, 4.0, 0.25), [draws(5, 3), draws(4, 3, seed=1)]),
    "squared_mmd": (losses.squared_mmd, [draws(5, 3), draws(4, 3, seed=1)]),
    "interpolate": (losses.interpolate, [draws(3, 2, 2, 2), draws(3, 2, 2, 2, seed=1), draws(3, seed=2)]),
}


@pytest.mark.parametrize("name", PURE)
def test_gradients_match_finite_differences(name: str) -> None:
    function, inputs = PURE[name]
    inputs = [value.clone().requires_grad_(True) for value in inputs]
    assert torch.autograd.gradcheck(function, inputs)


def test_class_loss_gradient_matches_finite_differences() -> None:
    labels = torch.tensor([0, 2, 1])
    logits = draws(3, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: losses.class_loss(x, labels), [logits])


@pytest.mark.parametrize("penalty", [losses.gradient_penalty, losses.zero_centred_penalty])
def test_double_backward_matches_finite_differences(penalty: Callable[[Tensor], Tensor]) -> None:
    """The weights' gradient of a penalty on ∇D: the second derivative that training needs."""
    critic = Tiny()
    images = draws(3, 3, 4, 4, seed=5)

    def value() -> Tensor:
        points = images.clone().requires_grad_(True)
        return penalty(losses.squared_gradient_norms(critic(points), points))

    analytic = torch.autograd.grad(value(), list(critic.parameters()))
    for parameter, gradient in zip(critic.parameters(), analytic, strict=True):
        for index in range(0, parameter.numel(), 7):
            assert math.isclose(slope(value, parameter, index), float(gradient.flatten()[index]), rel_tol=1e-6)


def slope(value: Callable[[], Tensor], parameter: Tensor, index: int, step: float = 1e-5) -> float:
    flat = parameter.data.view(-1)
    before = float(flat[index])
    results = []
    for sign in (1, -1):
        flat[index] = before + sign * step
        results.append(float(value().detach()))
    flat[index] = before
    return (results[0] - results[1]) / (2 * step)


def test_linear_critic_has_the_penalty_of_its_weights() -> None:
    """D(x) = w·x: the penalty is (‖w‖ − 1)² at every point, and ½‖w‖² without a centre."""
    w = draws(3, 4, 4)
    points = draws(6, 3, 4, 4, seed=1).requires_grad_(True)
    squares = losses.squared_gradient_norms((points * w).sum((1, 2, 3)), points)
    assert torch.allclose(losses.gradient_penalty(squares), (w.norm() - 1) ** 2, atol=1e-10)
    assert torch.allclose(losses.zero_centred_penalty(squares), 0.5 * w.square().sum())


def test_penalty_of_a_constant_critic_has_a_finite_gradient() -> None:
    squares = torch.zeros(3, requires_grad=True)
    losses.gradient_penalty(squares).backward()
    assert torch.isfinite(squares.grad).all()


def test_interpolates_lie_between() -> None:
    real, fake = draws(2, 1, 2, 2), draws(2, 1, 2, 2, seed=1)
    points = losses.interpolate(real, fake, torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert torch.equal(points[0], real[0])
    assert torch.allclose(points[1], fake[1])


def test_consistency_closed_form() -> None:
    """One image, D = 3 and 1, two features 2 and 0 apart: 2·4 + 0.2·(4 + 0)/2 = 8.4, less the margin."""
    one = torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    assert float(losses.consistency(*one, 2.0, 0.2, 0.0)) == pytest.approx(8.4)
    assert float(losses.consistency(*one, 2.0, 0.2, 1.0)) == pytest.approx(7.4)
    assert float(losses.consistency(*one, 2.0, 0.2, 9.0)) == 0.0


def test_hinge_is_zero_beyond_the_margin_and_two_at_the_start() -> None:
    assert float(losses.hinge_critic(torch.tensor([1.5, 3.0]), torch.tensor([-1.5]))) == 0.0
    assert float(losses.hinge_critic(torch.zeros(3), torch.zeros(3))) == 2.0


def test_relativistic_of_equal_scores_is_log_two() -> None:
    assert float(losses.relativistic(torch.ones(3), torch.ones(3))) == pytest.approx(math.log(2))
    better = losses.relativistic(torch.tensor([5.0]), torch.tensor([0.0]))
    assert float(better) == pytest.approx(math.log1p(math.exp(-5)))


def test_mmd_against_a_double_loop() -> None:
    real, fake = draws(5, 3), draws(4, 3, seed=1)

    def k(a: Tensor, b: Tensor) -> float:
        return math.exp(-float((a - b).square().sum()) / 2)

    def among(x: Tensor) -> float:
        return sum(k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j) / (len(x) * (len(x) - 1))

    between = sum(k(a, b) for a in real for b in fake) / (len(real) * len(fake))
    assert float(losses.squared_mmd(real, fake)) == pytest.approx(among(real) + among(fake) - 2 * between, abs=1e-12)


def test_repulsive_critic_against_a_double_loop() -> None:
    real, fake = 2 * draws(6, 2), 0.5 * draws(5, 2, seed=1)

    def mean(x: Tensor, bound: Callable[[float], float]) -> float:
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
        return sum(math.exp(-bound(float((x[i] - x[j]).square().sum())) / 2) for i, j in pairs) / len(pairs)

    expected = mean(real, lambda d: min(d, 4.0)) - mean(fake, lambda d: max(d, 0.25))
    assert float(losses.repulsive_critic(real, fake, 4.0, 0.25)) == pytest.approx(expected, abs=1e-12)


def test_repulsive_bounds_stop_the_gradient() -> None:
    """Reals further apart than the upper bound, fakes closer than the lower: nothing left to do."""
    real = torch.tensor([[0.0], [3.0]], requires_grad=True)
    fake = torch.tensor([[0.0], [0.1]], requires_grad=True)
    losses.repulsive_critic(real, fake, 4.0, 0.25).backward()
    assert not real.grad.any()
    assert not fake.grad.any()


def test_mmd_of_one_distribution_is_about_zero_and_of_two_is_not() -> None:
    same = losses.squared_mmd(draws(300, 2), draws(300, 2, seed=1))
    other = losses.squared_mmd(draws(300, 2), draws(300, 2, seed=1) + 1)
    assert abs(float(same)) < 0.02
    assert float(other) > 0.1
