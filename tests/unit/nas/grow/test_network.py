"""The supernet of a later stage: it makes the images of the stage before, and its own from the same maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degas.errors import UserError
from degas.nas.grow.network import GrownSupernet
from degas.nas.supernet.supernet import Supernet
from degas.nets.growing import fade_share
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, ZERO, Edge, Order, SearchSpace
from degas.space.prefix import with_prefix
from degas.space.pruning import prune, random_alpha

SIZES = {"base_size": 4, "width": 6, "noise_size": 5, "channels": 3}


def stages(order: Order = "normal-up", seed: int = 0) -> tuple[Supernet, GrownSupernet]:
    """A first stage with one-hot mixing weights, and the stage after it, which has taken it over."""
    torch.manual_seed(seed)
    space = SearchSpace(1, order=order)
    first = Supernet(space, **SIZES).double()
    kept = one_hot(first, seed)
    for k in range(3):
        first(noise() * (k + 1))
    given = Architecture(1, 1, 4, 6, 5, 3, kept, order=order)
    later = with_prefix(SearchSpace(2, order=order), given, "preact", "prefix")
    second = GrownSupernet(later, ["U1"], **SIZES).double()
    second.take_over(first.state_dict(), "grow-008")
    return first, second


def one_hot(supernet: Supernet, seed: int) -> tuple[Edge, ...]:
    """Random edges, after giving the supernet the one-hot mixing weights that keep them."""
    space = supernet.space
    kept = prune(random_alpha(space, seed), space)
    operations = {(edge.source, edge.target): edge.operation for edge in kept}
    with torch.no_grad():
        for slot in space.searched_slots:
            place = space.operations(slot).index(operations.get((slot.source, slot.target), ZERO))
            supernet.edge(slot).alpha.fill_(-1e6)
            supernet.edge(slot).alpha[place] = 0.0
    return kept


def noise(n: int = 4) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(3))
def test_a_stage_that_took_over_makes_the_images_of_the_one_before(order: Order, seed: int, training: bool) -> None:
    first, second = stages(order, seed)
    first.train(training)
    second.train(training)
    own, smaller = second.all_sizes(noise())
    torch.testing.assert_close(smaller, first(noise()), rtol=0, atol=1e-12)
    assert own.shape == (4, 3, 16, 16)
    torch.testing.assert_close(second(noise()), own, rtol=0, atol=1e-12)


def test_a_third_stage_makes_the_images_of_both_before_largest_first() -> None:
    _, second = stages()
    given = Architecture(2, 1, 4, 6, 5, 3, one_hot(second, 1))
    third = GrownSupernet(with_prefix(SearchSpace(3), given, "preact", "prefix"), ["U1", "U2"], **SIZES).double()
    third.take_over(second.state_dict(), "grow-016")
    _, *earlier = third.all_sizes(noise())
    for found, expected in zip(earlier, second.all_sizes(noise()), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert third.earlier_sizes() == [one.shape[-1] for one in earlier] == [16, 8]


def test_images_fade_in_from_those_of_the_stage_before() -> None:
    _, second = stages()
    whole, smaller = second.all_sizes(noise())
    for fade in (0.0, 0.25, 1.0):
        second.fade = fade
        mixed = fade * whole + (1 - fade) * smaller.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(second(noise()), mixed, rtol=0, atol=1e-12)
        torch.testing.assert_close(second.all_sizes(noise())[0], mixed, rtol=0, atol=1e-12)
    assert [fade_share(step, 100) for step in (0, 4, 9, 10, 99)] == [0.1, 0.5, 1.0, 1.0, 1.0]
    assert fade_share(0, 3) == 1.0  # a stage of few steps has no time to fade


def test_earlier_weights_are_the_first_layer_the_given_edges_and_the_heads() -> None:
    _, second = stages()
    earlier = {id(weight) for weight in second.earlier_weights()}
    names = {name for name, weight in second.named_parameters() if id(weight) in earlier}
    given = tuple(f"backbone.edges.{edge.source}-{edge.target}." for edge in second.space.prefix)
    assert names == {
        name for name, _ in second.named_parameters() if name.startswith(("backbone.linear.", "heads.", *given))
    }
    assert len(second.weights()) + len(second.alphas()) == len(list(second.parameters()))


def test_the_new_head_and_edges_are_left_as_they_were() -> None:
    first, _ = stages()
    torch.manual_seed(5)
    kept = SearchSpace(1).draw(3)
    later = with_prefix(SearchSpace(2), Architecture(1, 1, 4, 6, 5, 3, kept), "preact", "prefix")
    second = GrownSupernet(later, ["U1"], **SIZES).double()
    before = {name: value.clone() for name, value in second.state_dict().items()}
    second.take_over(first.state_dict(), "grow-008")
    moved = {name for name, value in second.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in moved if name.startswith(("backbone.norm", "backbone.to_image"))}
    assert not {name for name in moved if any(f"-{node}." in name for node in ("N2", "U2"))}
    assert {"heads.U1.to_image.weight", "backbone.linear.weight"} <= moved


def test_weights_of_another_search_are_refused() -> None:
    _, second = stages()
    with pytest.raises(UserError, match="runs/grow-008: its weights do not fit the next stage"):
        second.take_over(Supernet(SearchSpace(1), **{**SIZES, "width": 5}).state_dict(), "runs/grow-008")
