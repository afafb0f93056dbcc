"""DARTS' second-order gradient against the exact one, in float64, on the textbook's mix of a tiny network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from textbook_mixed import textbook_supernet
from torch import Tensor
from torch.func import functional_call
from unrolled import exact_gradient

from degas.nas.alpha.second_order import momenta_of, unrolled_gradient
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings
from degas.space.graph import SearchSpace

Make = Callable[..., Any]
SPACE = SearchSpace(1, 1, ("conv_1x1", "sep_conv_3x3", "skip"), ("deconv_4x4", "nearest_conv_1x1"))


class Tiny:
    """A textbook supernet with two batches: losses as functions of (weights, alphas), and of what it holds."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = textbook_supernet(SPACE, base_size=4, width=3, noise_size=2, channels=1).double()
        named = dict(self.network.named_parameters())
        self.alpha_names = [name for name in named if name.endswith("alpha")]
        self.weight_names = [name for name in named if not name.endswith("alpha")]
        self.alphas, self.weights = ([named[n] for n in names] for names in (self.alpha_names, self.weight_names))
        with torch.no_grad():
            for alpha in self.alphas:
                alpha.normal_()
        self.batches = [(torch.randn(4, 2).double(), torch.rand(4, 1, 8, 8).double()) for _ in range(2)]
        self.momenta = [0.01 * torch.randn_like(weight) for weight in self.weights]

    def loss(self, number: int, weights: Sequence[Tensor], alphas: Sequence[Tensor]) -> Tensor:
        values = dict(zip([*self.weight_names, *self.alpha_names], [*weights, *alphas], strict=True))
        latents, images = self.batches[number]
        out: Tensor = functional_call(self.network, values, (latents,))
        return (out - images).square().mean()

    def ours(self, **changes: Any) -> tuple[Tensor, list[Tensor]]:
        return unrolled_gradient(
            lambda: self.loss(0, self.weights, self.alphas),
            lambda: self.loss(1, self.weights, self.alphas),
            self.weights,
            self.alphas,
            **{"lr": 0.3, "momentum": 0.9, "decay": 0.01, "momenta": self.momenta, **changes},
        )

    def exact(self, **changes: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        return exact_gradient(
            lambda weights, alphas: self.loss(0, weights, alphas),
            lambda weights, alphas: self.loss(1, weights, alphas),
            self.weights,
            self.alphas,
            **{"lr": 0.3, "momentum": 0.9, "decay": 0.01, "momenta": self.momenta, **changes},
        )


def error(ours: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    a, b = torch.cat(list(ours)), torch.cat(list(exact))
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("lr", [0.05, 0.3])
@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.01), (0.0, 0.0)])
def test_it_is_the_exact_gradient_up_to_the_difference(
    lr: float, momentum: float, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DARTS' length steps over a few kinks of the ReLUs; a hundredth of it over none."""
    tiny, changes = Tiny(), {"lr": lr, "momentum": momentum, "decay": decay}
    (loss, ours), (exact_loss, exact) = tiny.ours(**changes), tiny.exact(**changes)
    torch.testing.assert_close(loss, exact_loss, rtol=1e-12, atol=0)
    first_order = torch.autograd.grad(tiny.loss(1, tiny.weights, tiny.alphas), tiny.alphas)
    assert error(ours, exact) < 0.2 * error(first_order, exact)
    monkeypatch.setattr("degas.nas.alpha.second_order.LENGTH", 1e-4)
    closer = error(tiny.ours(**changes)[1], exact)
    assert closer < 1e-5
    assert closer < 1e-3 * error(first_order, exact)


def test_a_shorter_difference_is_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Central differences of a smooth loss: a third of the length leaves about a ninth of the error."""
    torch.manual_seed(0)
    weight, alpha, x, y = (torch.randn(5, dtype=torch.float64).requires_grad_() for _ in range(4))

    def loss(target: Tensor, weights: Sequence[Tensor], alphas: Sequence[Tensor]) -> Tensor:
        return ((torch.softmax(alphas[0], 0) * torch.tanh(weights[0] * x.detach())).sum() - target.sum()).square()

    one, other = y.detach(), x.detach()
    rule: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "decay": 0.0, "momenta": [torch.ones_like(weight)]}
    _, exact = exact_gradient(lambda w, a: loss(one, w, a), lambda w, a: loss(other, w, a), [weight], [alpha], **rule)
    errors = []
    for length in (0.3, 0.1):
        monkeypatch.setattr("degas.nas.alpha.second_order.LENGTH", length)
        _, ours = unrolled_gradient(
            lambda: loss(one, [weight], [alpha]), lambda: loss(other, [weight], [alpha]), [weight], [alpha], **rule
        )
        errors.append(error(ours, exact))
    assert errors[0] / errors[1] == pytest.approx(9, rel=0.2)


def test_weights_end_as_they_were() -> None:
    tiny = Tiny()
    before = [weight.detach().clone() for weight in tiny.weights]
    tiny.ours()
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.weights, strict=True))
    assert all(weight.grad is None for weight in tiny.weights)


def test_without_a_gradient_along_the_weights_it_is_first_order() -> None:
    weight, alpha = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    loss, (gradient,) = unrolled_gradient(
        lambda: (weight * alpha).sum(),
        lambda: alpha.square().sum(),
        [weight],
        [alpha],
        lr=0.5,
        momentum=0.0,
        decay=0.0,
        momenta=[None],
    )
    assert (float(loss), gradient.tolist()) == (2.0, [2.0, 2.0])


# ------------------------------------------------------------------------------------------ in the search


def sgd_search(make_images: Make, make_settings: Make, steps: int = 3, **changes: object) -> Search:
    settings = make_settings(**{"weight_optimizer": "sgd", "weight_lr": 0.1, "order": "second", **changes})
    search = Search(make_images(), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    for step in range(steps):
        search.step(step)
    return search


def test_the_search_unrolls_the_step_that_comes_next(make_images: Make, make_settings: Make) -> None:
    """The loss of α is that of the supernet which has taken the next weight step (not clipped)."""
    settings = {"weight_decay": 0.01, "clip_norm": 0.0, "alpha_batch": "same"}
    ours, twin = (sgd_search(make_images, make_settings, **settings) for _ in range(2))
    loss = ours.alpha_step(ours.alpha_step.batch(ours.weight_batches(0), 3), 3)["alpha_loss"]
    rows = twin.signal.table.rows.clone()
    twin.alpha_step.require_gradients(weights=True, alphas=False)
    twin.signal.step(twin.weight_batches(4), twin.signal.rate_share(4))
    twin.signal.table.rows.copy_(rows)  # latents are not unrolled
    expected = twin.alpha_step._loss(twin.weight_batches(0))
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-7)


def test_it_moves_alpha_alone_and_otherwise_than_the_first_order(make_images: Make, make_settings: Make) -> None:
    second = sgd_search(make_images, make_settings)
    before = {name: value.clone() for name, value in second.supernet.state_dict().items()}
    momenta = [m.clone() for m in momenta_of(second.signal.optimizer, second.signal.weights) if m is not None]
    rows = second.signal.table.rows.clone()
    second.alpha_step(second.alpha_step.batch(second.weight_batches(3), 3), 3)
    moved = {name for name, value in second.supernet.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.endswith("alpha")}
    assert torch.equal(rows, second.signal.table.rows)
    kept = momenta_of(second.signal.optimizer, second.signal.weights)
    assert all(torch.equal(a, b) for a, b in zip(momenta, kept, strict=True) if b is not None)
    first = sgd_search(make_images, make_settings, order="first")
    assert first.supernet.alpha_by_name() != sgd_search(make_images, make_settings).supernet.alpha_by_name()


def test_cudas_convolutions_keep_to_float32_meanwhile() -> None:
    tiny, seen = Tiny(), []

    def alpha_loss() -> Tensor:
        seen.append(torch.backends.cudnn.conv.fp32_precision)
        return tiny.loss(1, tiny.weights, tiny.alphas)

    before = torch.backends.cudnn.conv.fp32_precision
    weight_loss = lambda: tiny.loss(0, tiny.weights, tiny.alphas)  # noqa: E731
    options = {"lr": 0.1, "momentum": 0.0, "decay": 0.0, "momenta": [None] * len(tiny.weights)}
    unrolled_gradient(weight_loss, alpha_loss, tiny.weights, tiny.alphas, **options)
    assert seen == ["ieee"]
    assert torch.backends.cudnn.conv.fp32_precision == before
