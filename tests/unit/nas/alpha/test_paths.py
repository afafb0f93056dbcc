"""Sampled paths: what they compute, and each estimator of α's gradient against its formula or an enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from degas.nas.alpha.paths import (
    BASELINE_DECAY,
    ESTIMATORS,
    GumbelPaths,
    Paths,
    Reinforce,
    TwoPaths,
    moved_pair,
    one_of,
)
from degas.nas.settings import resolve_search
from degas.nas.state import Search
from degas.nas.supernet.mixing import PathMixing
from degas.nas.supernet.supernet import Supernet
from degas.runtime.distributed import Engine
from degas.runtime.rng import torch_generator
from degas.settings.sections import SpaceSettings
from degas.space.graph import Edge, SearchSpace

Make = Callable[..., Any]
SIZES = {"base_size": 4, "width": 4, "noise_size": 3, "channels": 1}
SAMPLED = ("gumbel", "two-path", "reinforce")
ALPHA = torch.tensor([0.8, -0.4, 0.1], dtype=torch.float64)


def make_supernet(space: SearchSpace | None = None, **changes: Any) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space or SearchSpace(1), **{**SIZES, **changes}).double()


def make_paths(name: str, supernet: Supernet, make_settings: Make, **changes: Any) -> Any:
    settings = make_settings(paths=name, **changes)
    paths = ESTIMATORS[name](supernet, resolve_search(settings, 24), total_steps=10, seed=0)
    assert isinstance(paths, Paths)
    return paths


def make_search(make_images: Make, make_settings: Make, **changes: Any) -> Search:
    settings = make_settings(**changes)
    return Search(make_images(), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))


def noise(n: int = 3) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def set_path(supernet: Supernet, path: dict[str, str]) -> None:
    for slot in supernet.space.slots:
        names = supernet.space.operations(slot)
        active = names.index(path[slot.name])
        only = one_of(len(names), active)
        supernet.edge(slot).mixing_rule = PathMixing(keep=only, computed=only, active=active)


def path_of(supernet: Supernet) -> dict[str, str]:
    """The active operations, from the weights."""
    found = {}
    for slot in supernet.space.slots:
        weights = supernet.edge(slot).weights().tolist()
        assert sorted(weights) == [0.0] * (len(weights) - 1) + [1.0]  # exactly
        found[slot.name] = supernet.space.operations(slot)[weights.index(1.0)]
    return found


@contextmanager
def counted(held: list[int], flops: list[int]) -> Iterator[None]:
    """Count the bytes that autograd holds for the backward pass, every storage once, and multiply-adds."""
    storages: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value), FlopCounterMode(display=False) as counter:
        yield
    held.append(sum(storages.values()))
    flops.append(counter.get_total_flops())


# ------------------------------------------------------------------------------------------ what a path computes


def test_a_path_costs_as_much_as_a_supernet_of_its_operations_alone() -> None:
    """Equal images, equal memory for the backward pass and equal multiply-adds, far below those of the whole mix."""
    space = SearchSpace(2)
    alone = SearchSpace(2, 1, ("conv_3x3",), ("deconv_4x4",))
    whole, small = make_supernet(space), make_supernet(alone)
    wanted = small.state_dict()
    small.load_state_dict(
        {n: v for n, v in whole.state_dict().items() if n in wanted and "alpha" not in n}, strict=False
    )
    path = {slot.name: "conv_3x3" if slot.kind == "normal" else "deconv_4x4" for slot in space.slots}
    held: list[int] = []
    flops: list[int] = []
    images = []
    for supernet in (whole, small):
        set_path(supernet, path)
        for alpha in supernet.alphas():  # as in a weight step; a softmax over nine holds more numbers than one over one
            alpha.requires_grad_(False)
        with counted(held, flops):
            images.append(supernet(noise()))
            images[-1].square().sum().backward()
    with counted(held, flops):
        make_supernet(space)(noise()).square().sum().backward()
    assert torch.equal(*images)
    assert held[0] == held[1] < 0.6 * held[2]
    assert flops[0] == flops[1] < 0.6 * flops[2]


@pytest.mark.parametrize("name", SAMPLED)
def test_operations_outside_the_path_keep_their_weights_and_statistics(
    name: str, make_images: Make, make_settings: Make
) -> None:
    search = make_search(make_images, make_settings, paths=name)
    before = {key: value.clone() for key, value in search.supernet.state_dict().items()}
    search.relaxation.draw(0, "weights")
    path = path_of(search.supernet)
    search.step(0)
    for key, value in search.supernet.state_dict().items():
        if ".branches." in key and not key.endswith("num_batches_tracked"):
            edge, _, rest = key.partition(".branches.")
            slot = edge.rpartition(".")[2].replace("-", "->")
            assert torch.equal(value, before[key]) is (path[slot] != rest.split(".")[0]), key


def test_two_paths_compute_two_operations_and_mix_one(make_settings: Make) -> None:
    supernet = make_supernet(SearchSpace(1))
    make_paths("two-path", supernet, make_settings).draw(0, "alpha")
    for slot in supernet.space.slots:
        rule = supernet.edge(slot).mixing_rule
        assert sum(rule.computed) == 2
        assert rule.keep == rule.computed
    path_of(supernet)


# ------------------------------------------------------------------------------------------ draws


@pytest.mark.parametrize("name", SAMPLED)
def test_a_draw_depends_on_seed_step_and_purpose(name: str, make_settings: Make) -> None:
    supernet = make_supernet(SearchSpace(3))

    def drawn(seed: int, step: int, purpose: str) -> dict[str, str]:
        paths = make_paths(name, supernet, make_settings)
        paths.seed = seed
        paths.draw(step, purpose)
        return path_of(supernet)

    found = [
        drawn(0, 3, "alpha"),
        drawn(0, 3, "alpha"),
        drawn(1, 3, "alpha"),
        drawn(0, 4, "alpha"),
        drawn(0, 3, "weights"),
    ]
    assert found[0] == found[1]
    assert all(found[0] != other for other in found[2:])


def test_operations_are_drawn_as_often_as_softmax_says(make_settings: Make) -> None:
    """Singles, pairs without replacement, and the active one of a pair; four standard errors of 3,000 draws."""
    count, p = 3000, torch.softmax(ALPHA, 0).tolist()
    generator = torch_generator(0, "test", 0)
    one = make_paths("reinforce", make_supernet(), make_settings)
    rules = [one.rule(ALPHA, generator, 0) for _ in range(count)]
    assert_close([rule.active for rule in rules], {k: p[k] for k in range(3)})
    two = make_paths("two-path", make_supernet(), make_settings)
    rules = [two.rule(ALPHA, generator, 0) for _ in range(count)]
    pairs = {
        one_of(3, i, j): p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        for i, j in itertools.combinations(range(3), 2)
    }
    assert_close([rule.keep for rule in rules], pairs)
    first = [rule.active for rule in rules if rule.keep == (True, False, True)]
    assert_close(first, {0: p[0] / (p[0] + p[2])})


def assert_close(found: list[Any], expected: dict[Any, float]) -> None:
    for value, probability in expected.items():
        error = math.sqrt(probability * (1 - probability) / len(found))
        assert abs(found.count(value) / len(found) - probability) < 4 * error


def test_stages_that_share_an_alpha_share_the_draw(make_settings: Make) -> None:
    supernet = make_supernet(SearchSpace(3, share="stages"))
    paths = make_paths("reinforce", supernet, make_settings)
    drawn = set()
    for step in range(4):
        paths.draw(step, "alpha")
        path = path_of(supernet)
        drawn.add(tuple(path.values()))
        for slots in supernet.space.roles.values():
            assert len({path[slot.name] for slot in slots}) == 1
    assert len(drawn) > 1


def test_given_edges_have_no_draw(make_settings: Make) -> None:
    given = (Edge("U0", "N1", "skip"), Edge("N1", "U1", "deconv_4x4"))
    supernet = make_supernet(SearchSpace(2, prefix=given))
    make_paths("two-path", supernet, make_settings).draw(0, "alpha")
    drawn = {slot.name for slot in supernet.space.slots if supernet.edge(slot).mixing_rule.computed is not None}
    assert drawn == {slot.name for slot in supernet.space.searched_slots}
    assert supernet(noise()).shape == (3, 1, 16, 16)


# ------------------------------------------------------------------------------------------ straight-through Gumbel


def test_the_expected_straight_through_gradient_is_its_integral(make_settings: Make) -> None:
    """Two operations: the difference of two Gumbels is logistic, so the expectation is an integral over one number."""
    alpha = torch.tensor([0.3, -0.5], dtype=torch.float64, requires_grad=True)
    slopes, temperature, count = torch.tensor([2.0, -1.0], dtype=torch.float64), 0.7, 4000
    paths = make_paths("gumbel", make_supernet(), make_settings, temperature=temperature)
    assert isinstance(paths, GumbelPaths)
    generator = torch_generator(0, "test", 0)
    found = []
    for _ in range(count):
        rule = paths.rule(alpha.detach(), generator, 0)
        only = torch.tensor(rule.computed)
        loss = (slopes * rule(alpha))[only].sum()  # linear in the weight of the only computed operation
        found.append(torch.autograd.grad(loss, alpha)[0].numpy())
    between = np.linspace(-40, 40, 400_001)
    density = np.exp(-between) / (1 + np.exp(-between)) ** 2
    lead = 0.3 + 0.5 + between  # of α_0 + g_0
    p = 1 / (1 + np.exp(-lead / temperature))
    slope = np.where(lead > 0, 2.0, 1.0) * p * (1 - p) / temperature  # ∂L/∂w_0 · ∂p_0, or ∂L/∂w_1 · ∂p_1 = 1 · ∂p_0
    expected = np.trapezoid(density * slope, between)
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(count)
    assert mean[0] == pytest.approx(-mean[1])
    assert abs(mean[0] - expected) < 4 * error[0] < 0.1 * expected


# ------------------------------------------------------------------------------------------ two-path gates


@pytest.mark.parametrize("pair", [("conv_3x3", "sep_conv_5x5"), ("skip", "max_pool_3x3"), ("conv_1x1", "conv_3x3")])
def test_the_gates_gradient_is_the_formula(pair: tuple[str, str]) -> None:
    """Σ_j ⟨∂L/∂o, o_j⟩ p_j(δ_ij − p_i), with every o_j computed by itself."""
    supernet = make_supernet(alpha_std=1.0)
    slot = supernet.space.slots[0]
    edge, value = supernet.edge(slot), supernet.values(noise(), "N1")["U0"]
    places = [edge.names.index(name) for name in pair]
    both = one_of(len(edge.names), *places)
    edge.mixing_rule = PathMixing(keep=both, computed=both, active=places[0])
    target = torch.randn(3, 4, 4, 4, dtype=torch.float64)
    (edge(value) - target).square().sum().backward()
    maps = []
    for place in places:
        only = one_of(len(edge.names), place)
        edge.mixing_rule = PathMixing(keep=only, computed=only, active=place)
        maps.append(edge(value).detach())
    upstream = 2 * (maps[0] - target)
    p = torch.softmax(edge.alpha.detach()[places], 0).tolist()
    towards = [float((upstream * one).sum()) for one in maps]
    expected = [sum(towards[j] * p[j] * ((i == j) - p[i]) for j in range(2)) for i in range(2)]
    assert edge.alpha.grad is not None
    assert edge.alpha.grad[places].tolist() == pytest.approx(expected, rel=1e-9)
    assert float(edge.alpha.grad.abs().sum()) == pytest.approx(sum(map(abs, expected)), rel=1e-9)


def test_a_pair_shares_its_probability_anew_and_the_others_keep_theirs() -> None:
    new = torch.tensor([1.3, 5.0, -0.6], dtype=torch.float64)
    moved = moved_pair(ALPHA, new, torch.tensor([True, False, True]))
    before, after = torch.softmax(ALPHA, 0), torch.softmax(moved, 0)
    assert float(moved[1]) == float(ALPHA[1])
    assert float(after[1]) == pytest.approx(float(before[1]), rel=1e-12)
    assert float(moved[0] - moved[2]) == pytest.approx(1.3 + 0.6)


def test_a_step_moves_the_two_alone(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images, make_settings, paths="two-path")
    assert isinstance(search.relaxation, TwoPaths)
    for step in range(3):  # Adam has moments of the others by then
        before = [alpha.detach().clone() for alpha in search.supernet.alphas()]
        search.step(step)
    search.relaxation.draw(2, "alpha")
    for slot, alpha, old in zip(search.space.slots, search.supernet.alphas(), before, strict=True):
        keep = torch.tensor(search.supernet.edge(slot).mixing_rule.keep)
        assert torch.equal(alpha[~keep], old[~keep])
    assert any(not torch.equal(new, old) for new, old in zip(search.supernet.alphas(), before, strict=True))


# ------------------------------------------------------------------------------------------ REINFORCE


def test_reinforce_is_unbiased(make_settings: Make) -> None:
    """Over all paths of a tiny space the estimate's mean is the gradient of the expected loss, with any baseline."""
    space = SearchSpace(1, 1, ("conv_1x1", "skip"), ("deconv_4x4", "nearest_conv_3x3"))
    supernet = make_supernet(space, alpha_std=1.0).eval()
    paths = make_paths("reinforce", supernet, make_settings)
    assert isinstance(paths, Reinforce)
    names = [space.operations(slot) for slot in space.slots]
    alphas = [alpha.detach().clone().requires_grad_() for alpha in supernet.alphas()]
    expected_loss, estimate = torch.zeros((), dtype=torch.float64), [torch.zeros_like(alpha) for alpha in alphas]
    for path in itertools.product(*names):
        set_path(supernet, dict(zip((slot.name for slot in space.slots), path, strict=True)))
        places = [own.index(name) for own, name in zip(names, path, strict=True)]
        probability = math.prod(torch.softmax(a, 0)[k] for a, k in zip(alphas, places, strict=True))
        paths.baseline.fill_(0.7)
        loss = paths.gradient(lambda: (10 * supernet(noise()) - 1).square().mean(), lambda values: None)
        expected_loss = expected_loss + probability * loss
        for total, alpha in zip(estimate, supernet.alphas(), strict=True):
            total += probability.detach() * alpha.grad
    for total, exact in zip(estimate, torch.autograd.grad(expected_loss, alphas), strict=True):
        assert total.tolist() == pytest.approx(exact.tolist(), rel=1e-9, abs=1e-12)
    assert max(float(total.abs().max()) for total in estimate) > 1e-3


def test_the_baseline_is_the_mean_of_the_losses_before(make_settings: Make) -> None:
    supernet = make_supernet()
    paths = make_paths("reinforce", supernet, make_settings)
    shares = []
    for step, loss in enumerate((4.0, 1.0, 3.0)):
        paths.draw(step, "alpha")
        paths.gradient(lambda loss=loss: torch.tensor(loss), lambda values: None)
        edge = supernet.edge(supernet.space.slots[0])
        direction = edge.weights().detach() - torch.softmax(edge.alpha.detach(), 0)
        shares.append(float((edge.alpha.grad / direction).mean()))
    second = BASELINE_DECAY * 4.0 + (1 - BASELINE_DECAY) * 1.0
    assert shares == pytest.approx([0.0, 1.0 - 4.0, 3.0 - second], abs=1e-6)
    assert float(paths.baseline) == pytest.approx(BASELINE_DECAY * second + (1 - BASELINE_DECAY) * 3.0)


def test_reinforce_is_rewarded_on_images_that_no_weight_step_sees(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images, make_settings, paths="reinforce")
    assert search.settings.alpha_batch == "held_out"
    assert search.alpha_rows is not None
    other = make_search(make_images, make_settings, paths="reinforce", alpha_batch="same")
    assert other.alpha_rows is None


# ------------------------------------------------------------------------------------------ the end of a search


@pytest.mark.parametrize("name", SAMPLED)
def test_in_the_end_the_most_probable_path_is_shown_and_measured(
    name: str, make_images: Make, make_settings: Make
) -> None:
    search = make_search(make_images, make_settings, paths=name)
    search.step(0)
    weights = [edge["weight"] for edge in search.supernet.mixing_by_name()["U0->N1"].values()]
    assert weights == pytest.approx(torch.softmax(search.supernet.alphas()[0], 0).tolist())  # as logged: no path
    search.relaxation.finish(1)
    assert path_of(search.supernet) == {
        slot: max(alpha, key=alpha.get) for slot, alpha in search.supernet.alpha_by_name().items()
    }
