"""Expected cost and the β penalty against their closed forms, and what they do to α."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from degas.nas.alpha.penalties import MEASURES, Penalties, cost_shares, expected_cost, mean_logsumexp
from degas.nas.checks import search_budget
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]
SPACE = SpaceSettings()


def make_search(make_images: Make, make_settings: Make, **changes: object) -> Search:
    return Search(make_images(), make_settings(**changes), SPACE, seed=0, engine=Engine(device="cpu"))


def softmax(row: dict[str, float]) -> dict[str, float]:
    total = math.fsum(math.exp(value) for value in row.values())
    return {name: math.exp(value) / total for name, value in row.items()}


@pytest.mark.parametrize("cost", ["parameters", "multiply-adds"])
def test_expected_cost_is_the_sum_written_out(cost: str, make_images: Make, make_settings: Make) -> None:
    settings = make_settings(cost_weight=1.0, cost=cost, alpha_init_std=1.0)
    search = Search(make_images(), settings, SPACE, seed=0, engine=Engine(device="cpu"))
    budget = search_budget(settings, SPACE, search.space, base_size=4, channels=3)
    assert budget is not None
    alpha, total, most = search.supernet.alpha_by_name(), 0.0, 0.0
    for slot in search.space.slots:
        costs = {name: getattr(its, MEASURES[cost]) for name, its in budget.costs[slot.name].items()}
        total += sum(weight * costs[name] for name, weight in softmax(alpha[slot.name]).items())
        most += max(costs.values())
    found = search.alpha_step.penalties.values()["expected_cost"].detach()
    assert float(found) == pytest.approx(total / most, rel=1e-5)


def test_expected_cost_goes_from_nothing_to_one(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images, make_settings, cost_weight=1.0)
    shares = search.alpha_step.penalties.shares
    costliest = [torch.where(share == share.max(), 100.0, 0.0) for share in shares]
    assert float(expected_cost(costliest, shares)) == pytest.approx(1.0, abs=1e-5)
    uniform = sum(float(share.mean()) for share in shares)
    assert float(expected_cost([torch.zeros_like(share) for share in shares], shares)) == pytest.approx(uniform)


def test_the_weight_is_free_of_scale(make_images: Make, make_settings: Make) -> None:
    """Twice the multiply-adds everywhere, the same shares."""
    shares = []
    for size in (8, 16):
        settings = make_settings(cost_weight=1.0)
        search = Search(make_images(8, size), settings, SpaceSettings(base_size=size // 2), seed=0, engine=Engine())
        budget = search_budget(settings, SPACE, search.space, base_size=size // 2, channels=3)
        assert budget is not None
        shares.append(torch.cat(cost_shares(search.supernet, budget.costs, "multiply_adds")))
    torch.testing.assert_close(*shares)


def test_logsumexp_and_its_gradient_are_closed_forms() -> None:
    alphas = [torch.tensor([0.5, -1.0]).requires_grad_(), torch.tensor([2.0, 0.0, 1.0]).requires_grad_()]
    value = mean_logsumexp(alphas)
    expected = [math.log(math.fsum(math.exp(a) for a in alpha.tolist())) for alpha in alphas]
    assert float(value.detach()) == pytest.approx(sum(expected) / 2)
    value.backward()
    for alpha in alphas:
        torch.testing.assert_close(alpha.grad, torch.softmax(alpha.detach(), 0) / 2)


def test_the_beta_weight_grows_with_the_steps(make_images: Make, make_settings: Make) -> None:
    penalties = make_search(make_images, make_settings, beta_weight=3.0).alpha_step.penalties
    assert [penalties.weights(step)["alpha_logsumexp"] for step in (0, 3, 6)] == [0.0, 1.5, 3.0]


def test_gradients_add_to_those_of_the_loss(make_images: Make, make_settings: Make) -> None:
    changes = {"cost_weight": 2.0, "beta_weight": 3.0}
    with_terms, without = (make_search(make_images, make_settings, **its) for its in (changes, {}))
    kept: list[list[torch.Tensor]] = []
    for search in (with_terms, without):
        search.alpha_step.optimizer.step = lambda: None  # type: ignore[method-assign]
        terms = search.alpha_step(search.alpha_step.batch(search.weight_batches(0), 3), 3)
        kept.append([alpha.grad.clone() for alpha in search.supernet.alphas() if alpha.grad is not None])
        assert set(terms) == {"alpha_loss"} | ({"expected_cost", "alpha_logsumexp"} if search is with_terms else set())
    alphas = [alpha.detach().clone().requires_grad_() for alpha in without.supernet.alphas()]
    extra = 2.0 * expected_cost(alphas, with_terms.alpha_step.penalties.shares) + 1.5 * mean_logsumexp(alphas)
    for ours, plain, more in zip(*kept, torch.autograd.grad(extra, alphas), strict=True):
        torch.testing.assert_close(ours, plain + more)


@pytest.mark.parametrize("schedule", ["alternate", "joint"])
def test_a_large_cost_weight_ends_in_the_smallest_architecture(
    schedule: str, make_images: Make, make_settings: Make
) -> None:
    """The weight of nothing else: α of every free operation rises above that of every other."""
    search = make_search(make_images, make_settings, cost_weight=1e3, schedule=schedule, alpha_lr=0.1)
    for step in range(6):
        terms = search.step(step)
    assert float(terms["expected_cost"]) < float(
        make_search(make_images, make_settings, cost_weight=1.0).step(0)["expected_cost"]
    )
    shares = search.alpha_step.penalties.shares
    for alpha, share in zip(search.supernet.alphas(), shares, strict=True):
        cheap, dear = alpha[share == share.min()], alpha[share == share.max()]
        assert cheap.min() > dear.max()


def test_a_beta_weight_keeps_mixing_weights_closer(make_images: Make, make_settings: Make) -> None:
    def spread(**changes: float) -> float:
        search = make_search(make_images, make_settings, alpha_lr=0.1, alpha_weight_decay=0.0, num_epochs=4, **changes)
        for step in range(12):
            search.step(step)
        return sum(float(alpha.detach().std()) for alpha in search.supernet.alphas())

    assert spread(beta_weight=100.0) < 0.9 * spread()


def test_penalties_are_off_by_default(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images, make_settings)
    assert Penalties(search.supernet, make_settings(), total_steps=1).backward(0) == {}
    assert "expected_cost" not in search.step(0)
