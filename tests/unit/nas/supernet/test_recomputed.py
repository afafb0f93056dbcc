"""Activations computed twice: equal gradients and running statistics to the bit, with fewer tensors kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from degas.errors import UserError
from degas.nas.checks import check_settings
from degas.nas.state import Search
from degas.nas.supernet.recomputed import recomputed
from degas.nas.supernet.supernet import Supernet
from degas.nets.normalisation import BatchNorm, frozen_buffers
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings
from degas.space.graph import ORDERS, Order, SearchSpace

Make = Callable[..., Any]
NUM_STEPS = 3


def backward(recomputes: bool, *, frozen: bool = False, bfloat16: bool = False, **changes: Any) -> dict[str, Tensor]:
    """Gradients and buffers after one pass; the backward pass is outside of what surrounds the forward one."""
    space = SearchSpace(2, changes.pop("num_normal", 1), order=changes.pop("order", ORDERS[0]))
    torch.manual_seed(0)
    sizes = {"base_size": 4, "width": 6, "noise_size": 5, "channels": 3}
    supernet = Supernet(space, **sizes, recomputes=recomputes, **changes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    latents = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with frozen_buffers(supernet) if frozen else torch.enable_grad(), torch.autocast("cpu", enabled=bfloat16):
        loss = supernet(latents).float().square().sum()
    loss.backward()
    found = {name: parameter.grad for name, parameter in supernet.named_parameters()}
    return {**found, **dict(supernet.named_buffers()), "latents": latents.grad, "loss": loss.detach()}


@pytest.mark.parametrize(
    "changes",
    [{}, {"frozen": True}, {"bfloat16": True}, {"separable_order": "darts"}, {"num_normal": 2}, {"order": ORDERS[-1]}],
    ids=str,
)
def test_gradients_and_running_statistics_are_equal_to_the_bit(changes: dict[str, Any]) -> None:
    kept, twice = backward(False, **changes), backward(True, **changes)
    for name, value in kept.items():
        assert torch.equal(twice[name], value), name


def kept_bytes(recomputes: bool, order: Order) -> int:
    """Bytes of different tensors that a forward pass keeps for the backward pass, weights left out."""
    space, found = SearchSpace(2, order=order), dict[int, int]()
    supernet = Supernet(space, base_size=4, width=8, noise_size=5, channels=3, recomputes=recomputes)
    weights = {parameter.data_ptr() for parameter in supernet.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        images = supernet(torch.randn(16, 5))
    assert images.requires_grad
    return sum(found.values())


@pytest.mark.parametrize("order", ORDERS)
def test_fewer_activations_are_kept(order: Order) -> None:
    assert kept_bytes(True, order) < 0.7 * kept_bytes(False, order)


def moved(images: Any, settings: Any) -> tuple[list[dict[str, float]], Search]:
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(settings.precision, device="cpu"))
    terms = [{name: float(value) for name, value in search.step(step).items()} for step in range(NUM_STEPS)]
    return terms, search


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "joint"},
        {"schedule": "alternate", "alpha_batch": "held_out"},  # latents: forward frozen, backward not
        {"schedule": "alternate", "order": "second", "weight_optimizer": "sgd", "weight_lr": 0.05},
        {"schedule": "joint", "relaxation": "gumbel", "precision": "bfloat16"},
    ],
    ids=str,
)
def test_a_search_is_the_same_search(changes: dict[str, Any], make_images: Make, make_settings: Make) -> None:
    (kept, one), (twice, two) = (
        moved(make_images(), make_settings(**changes, checkpoint_activations=on)) for on in (False, True)
    )
    assert kept == twice
    for (name, mine), other in zip(one.supernet.state_dict().items(), two.supernet.state_dict().values(), strict=True):
        assert torch.equal(mine, other), name


@pytest.mark.parametrize("momentum", [0.3, None])
def test_torchs_own_batch_norms_move_once(momentum: float | None) -> None:
    """A registered operation may have them."""
    found = []
    for again in (False, True):
        norm, x = (
            nn.BatchNorm2d(3, momentum=momentum),
            torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        )
        x.requires_grad_()
        forward = lambda norm=norm, x=x: norm(x.sin()).cos()  # noqa: E731
        result = recomputed(norm, forward) if again else forward()
        result.sum().backward()
        assert norm.momentum == momentum
        assert norm.track_running_stats
        found.append([x.grad, norm.running_mean, norm.running_var, norm.num_batches_tracked])
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_supernet_may_go_backward_twice_through_the_same_graph() -> None:
    supernet = Supernet(
        SearchSpace(1), base_size=4, width=2, noise_size=5, channels=3, separable_order="darts", recomputes=True
    )
    latents = torch.randn(4, 5).requires_grad_()
    loss = supernet(latents).square().sum()
    loss.backward(retain_graph=True)
    first = latents.grad.clone()  # type: ignore[union-attr]
    loss.backward()
    assert torch.equal(latents.grad, 2 * first)  # type: ignore[arg-type]


def test_a_second_backward_pass_through_the_same_graph_is_possible() -> None:
    norm, x = BatchNorm(3), torch.randn(4, 3, 2, 2).requires_grad_()
    loss = recomputed(norm, lambda: norm(x.sin())).square().sum()
    loss.backward(retain_graph=True)
    first, before = x.grad.clone(), norm.running_mean.clone()  # type: ignore[union-attr]
    loss.backward()
    assert torch.equal(x.grad, 2 * first)  # type: ignore[arg-type]
    assert torch.equal(norm.running_mean, before)
    assert norm.momentum == 0.1


def test_with_cuda_graphs_it_is_refused(make_settings: Make) -> None:
    settings = make_settings(schedule="joint", cuda_graphs=True, checkpoint_activations=True)
    with pytest.raises(UserError, match=r"records no second pass; leave out --search\.checkpoint-activations"):
        check_settings(settings)
