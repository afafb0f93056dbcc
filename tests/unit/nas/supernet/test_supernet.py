from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from degas.generator.generator import Generator
from degas.nas.supernet.mixing import PathMixing
from degas.nas.supernet.supernet import Supernet
from degas.nets.backbone import module_name
from degas.nets.normalisation import BatchNorm
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, ZERO, Order, SearchSpace
from degas.space.prefix import with_prefix
from degas.space.pruning import prune, random_alpha

SIZES = {"base_size": 4, "width": 6, "noise_size": 5, "channels": 3}


def make(space: SearchSpace, **changes: object) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space, **SIZES, **changes)  # type: ignore[arg-type]


def noise(n: int = 4) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1))


def set_alpha(supernet: Supernet, edges: dict[str, str]) -> None:
    """One-hot mixing weights, exactly: e^{−10⁶} is 0. Edges not named take `zero`."""
    with torch.no_grad():
        for slot in supernet.space.slots:
            operations = supernet.space.operations(slot)
            alpha = supernet.edge(slot).alpha
            alpha.fill_(-1e6)
            alpha[operations.index(edges.get(slot.name, ZERO))] = 0.0


def test_images_have_their_shape_and_range() -> None:
    for space in (SearchSpace(1), SearchSpace(3), SearchSpace(2, 0), SearchSpace(2, 2)):
        images = make(space)(noise())
        assert images.shape == (4, 3, 4 * 2**space.num_stages, 4 * 2**space.num_stages)
        assert images.abs().max() <= 1


def test_alpha_is_small_named_and_apart_from_the_weights() -> None:
    supernet = make(SearchSpace())
    alphas = torch.cat([alpha.detach() for alpha in supernet.alphas()])
    assert len(alphas) == 3 * 9 + 3 * 4 + 5 * 5
    assert 0.5e-3 < alphas.std() < 1.5e-3
    assert len(supernet.alphas()) + len(supernet.weights()) == len(list(supernet.parameters()))
    named = supernet.alpha_by_name()
    assert list(named) == [slot.name for slot in supernet.space.slots]
    assert list(named["U0->U1"]) == [*supernet.space.up_operations, ZERO]
    with torch.no_grad():
        supernet.edge(supernet.space.slots[0]).alpha[3] = 7.0
    assert supernet.alpha_by_name()["U0->N1"]["avg_pool_3x3"] == 7.0


def test_operations_have_no_affine_batch_norm() -> None:
    supernet = make(SearchSpace())
    affine = [n for n, m in supernet.named_modules() if isinstance(m, BatchNorm) and m.weight is not None]
    assert affine == ["backbone.norm"]


@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_gradients_reach_every_weight_every_alpha_and_the_latents(num_normal: int) -> None:
    supernet = make(SearchSpace(2, num_normal))
    latents = noise().requires_grad_()
    supernet(latents).square().sum().backward()
    for name, parameter in supernet.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name
    for alpha in supernet.alphas():
        assert (alpha.grad != 0).all()
    assert latents.grad is not None
    assert (latents.grad.abs().sum(1) > 0).all()


def test_channels_last_is_the_same_function() -> None:
    plain, last = make(SearchSpace(2)).double(), make(SearchSpace(2)).double().to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(noise().double()), plain(noise().double()), rtol=0, atol=1e-12)


def test_permuting_operations_with_their_alpha_changes_nothing() -> None:
    """Another order of the tables, the same weights and α by name: the same images, the same gradients by name."""
    space = SearchSpace(2)
    other_space = SearchSpace(2, 1, space.normal_operations[::-1], (*space.up_operations[2:], *space.up_operations[:2]))
    ours, other = make(space, alpha_std=1.0).double(), make(other_space).double()
    frame = {name: value for name, value in ours.state_dict().items() if not name.endswith(".alpha")}
    assert other.load_state_dict(frame, strict=False).unexpected_keys == []
    with torch.no_grad():
        for slot, its_slot in zip(space.slots, other_space.slots, strict=True):
            order = [space.operations(slot).index(name) for name in other_space.operations(its_slot)]
            other.edge(its_slot).alpha.copy_(ours.edge(slot).alpha[order])
    images, its_images = ours(noise().double()), other(noise().double())
    torch.testing.assert_close(its_images, images, rtol=0, atol=1e-12)
    images.square().sum().backward()
    its_images.square().sum().backward()
    for slot, its_slot in zip(space.slots, other_space.slots, strict=True):
        order = [space.operations(slot).index(name) for name in other_space.operations(its_slot)]
        torch.testing.assert_close(
            other.edge(its_slot).alpha.grad, ours.edge(slot).alpha.grad[order], rtol=1e-9, atol=1e-11
        )


def test_mixing_weights_sum_to_one_and_kernels_start_equal() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SearchSpace(2), base_size=4, width=32, noise_size=5, channels=3)
    for slot in supernet.space.slots:
        mixing = supernet.mixing_by_name()[slot.name]
        assert list(mixing) == list(supernet.space.operations(slot))
        assert sum(entry["weight"] for entry in mixing.values()) == pytest.approx(1)
        for name in ("skip", "max_pool_3x3", ZERO):
            assert mixing.get(name, {"scaled": None})["scaled"] is None
        if slot.kind == "up":
            scaled = [entry["scaled"] for entry in mixing.values() if entry["scaled"] is not None]
            assert max(scaled) < 1.1 * min(scaled)


def test_folded_factor_is_the_same_function() -> None:
    folded, plain = make(SearchSpace(3)).double(), make(SearchSpace(3), fold_factor=False).double()
    torch.testing.assert_close(folded(noise().double()), plain(noise().double()), rtol=0, atol=1e-12)


# -------------------------------------------------------------------------------- bridge to the pruned generator


def drop_pool_norms(supernet: Supernet, edges: dict[str, str]) -> None:
    """What the derived generator lacks: the supernet's pools are followed by batch norm. Take it away."""
    for slot in supernet.space.slots:
        for name, branch in supernet.edge(slot).branches.items():
            if name.endswith("pool_3x3") and edges.get(slot.name) == name:
                branch.tail = branch.tail[:-1]


@torch.no_grad()
def copy_weights(supernet: Supernet, generator: Generator, edges: dict[str, str]) -> None:
    """Supernet → generator: frame, convolutions in order, running statistics of each batch norm (affine at 1 and 0)."""
    ours, theirs = supernet.backbone, generator.network
    for part in ("linear", "norm", "to_image"):
        getattr(theirs, part).load_state_dict(getattr(ours, part).state_dict())
    for slot in supernet.space.slots:
        if slot.name not in edges:
            continue
        branch = supernet.edge(slot).branches[edges[slot.name]]
        target = theirs.edges[module_name(slot.name)]
        sources = list(branch.parameters())
        convs = [m for m in target.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))]
        for conv, source in zip(convs, sources, strict=True):
            conv.weight.copy_(source)
        norms = [m for m in branch.modules() if isinstance(m, BatchNorm)]
        if branch.head == "activated":
            norms = [ours.values[module_name(slot.source)].norm, *norms]
        for norm, source in zip([m for m in target.modules() if isinstance(m, BatchNorm)], norms, strict=True):
            assert (norm.weight == 1).all()
            assert (norm.bias == 0).all()
            norm.running_mean.copy_(source.running_mean)
            norm.running_var.copy_(source.running_var)


@pytest.mark.parametrize("order", ["preact", "darts"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("num_normal", "stage"), [(0, "normal-up"), *((n, order) for n in (1, 2) for order in ORDERS)])
def test_bridge_one_hot_supernet_equals_the_pruned_generator(
    num_normal: int, stage: Order, training: bool, order: Any
) -> None:
    space = SearchSpace(2, num_normal, order=stage)
    for seed in range(8):
        pruned = prune(random_alpha(space, seed), space)
        edges = {f"{edge.source}->{edge.target}": edge.operation for edge in pruned}
        supernet = make(space, separable_order=order).double()
        set_alpha(supernet, edges)
        drop_pool_norms(supernet, edges)
        supernet.train()
        for k in range(3):  # running statistics away from their start
            supernet(noise().double() * (k + 1))
        architecture = Architecture(2, num_normal, 4, 6, 5, 3, pruned, separable_order=order, order=stage)
        generator = Generator.from_architecture(architecture).double()
        copy_weights(supernet, generator, edges)
        supernet.train(training)
        generator.train(training)
        torch.testing.assert_close(supernet(noise().double()), generator(noise().double()), rtol=0, atol=1e-11)


@pytest.mark.parametrize("stage", ORDERS)
def test_bridge_a_sampled_path_equals_the_pruned_generator(stage: Order) -> None:
    """Whatever α is: the path computes nothing but its operations, and each at weight 1."""
    space = SearchSpace(2, 1, order=stage)
    for seed in range(4):
        pruned = prune(random_alpha(space, seed), space)
        edges = {f"{edge.source}->{edge.target}": edge.operation for edge in pruned}
        supernet = make(space, alpha_std=1.0).double()
        for slot in space.slots:
            names = space.operations(slot)
            active = names.index(edges.get(slot.name, ZERO))
            only = tuple(place == active for place in range(len(names)))
            supernet.edge(slot).mixing_rule = PathMixing(computed=only, active=active)
        drop_pool_norms(supernet, edges)
        generator = Generator.from_architecture(Architecture(2, 1, 4, 6, 5, 3, pruned, order=stage)).double()
        copy_weights(supernet, generator, edges)
        torch.testing.assert_close(supernet(noise().double()), generator(noise().double()), rtol=0, atol=1e-11)


def test_bridge_reaches_every_operation_and_factor() -> None:
    """The random architectures of the bridge test cover the table; otherwise it would prove less than it says."""
    space = SearchSpace(2, 1)
    seen = set()
    for seed in range(8):
        for edge in prune(random_alpha(space, seed), space):
            factor = next(s.factor for s in space.slots if (s.source, s.target) == (edge.source, edge.target))
            seen.add((edge.operation, factor))
    assert {name for name, _ in seen} >= set(space.up_operations)
    assert 4 in {factor for _, factor in seen}
    assert len({name for name, _ in seen} & set(space.normal_operations)) >= 6


def test_a_pool_is_followed_by_batch_norm_in_the_supernet_and_not_in_the_generator() -> None:
    """So there the two differ, unless that batch norm is taken away as the bridge does; a max pool shows it."""
    space = SearchSpace(1)
    edges = {"U0->N1": "max_pool_3x3", "N1->U1": "deconv_4x4"}
    supernet = make(space).double()
    set_alpha(supernet, edges)
    architecture = Architecture(1, 1, 4, 6, 5, 3, prune(supernet.alpha_by_name(), space))
    generator = Generator.from_architecture(architecture).double()
    value = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    pooled = generator.network.edges["U0-N1"](value)
    mixed = supernet.edge(space.slots[0])(supernet.backbone.values["U0"](value))
    assert not torch.allclose(mixed, pooled)
    torch.testing.assert_close(mixed, torch.nn.functional.batch_norm(pooled, None, None, training=True))


# -------------------------------------------------------------------------------- a prefix


def begun(seed: int, num_normal: int = 1, stage: Order = "normal-up", order: Any = "preact") -> SearchSpace:
    given = SearchSpace(1, num_normal, order=stage).draw(seed)
    architecture = Architecture(1, num_normal, 4, 6, 5, 3, given, separable_order=order, order=stage)
    return with_prefix(SearchSpace(2, num_normal, order=stage), architecture, order, "prefix")


def test_given_edges_have_one_operation_and_no_alpha() -> None:
    space = begun(3)
    supernet = make(space)
    assert list(supernet.alpha_by_name()) == [slot.name for slot in space.searched_slots]
    assert list(supernet.mixing_by_name()) == [slot.name for slot in space.searched_slots]
    assert not [name for name in supernet.state_dict() if name.endswith(".alpha") and not name.startswith(LATER)]
    for slot in space.slots[: len(space.prefix)]:
        assert list(supernet.edge(slot).branches) == list(space.operations(slot))
        assert supernet.edge(slot).weights().tolist() == [1.0]
    images = supernet(noise())
    images.square().sum().backward()
    missing = [name for name, parameter in supernet.named_parameters() if parameter.grad is None]
    assert not missing
    assert len(supernet.alphas()) + len(supernet.weights()) == len(list(supernet.parameters()))


LATER = tuple(f"backbone.edges.{source}-{target}." for source in ("U0", "U1", "N2") for target in ("N2", "U2"))


@pytest.mark.parametrize("order", ["preact", "darts"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("num_normal", "stage"), [(0, "normal-up"), *((n, order) for n in (1, 2) for order in ORDERS)])
def test_bridge_after_a_prefix(num_normal: int, stage: Order, training: bool, order: Any) -> None:
    """The bridge of the whole space, with the first stage given and one-hot mixing weights after it."""
    for seed in range(6):
        space = begun(seed, num_normal, stage, order)
        pruned = prune(random_alpha(space, seed), space)
        edges = {f"{edge.source}->{edge.target}": edge.operation for edge in pruned}
        supernet = make(space, separable_order=order).double()
        with torch.no_grad():
            for slot in space.searched_slots:
                supernet.edge(slot).alpha.fill_(-1e6)
                supernet.edge(slot).alpha[space.operations(slot).index(edges.get(slot.name, ZERO))] = 0.0
        drop_pool_norms(supernet, edges)
        supernet.train()
        for k in range(3):
            supernet(noise().double() * (k + 1))
        architecture = Architecture(2, num_normal, 4, 6, 5, 3, pruned, separable_order=order, order=stage)
        generator = Generator.from_architecture(architecture).double()
        copy_weights(supernet, generator, edges)
        supernet.train(training)
        generator.train(training)
        torch.testing.assert_close(supernet(noise().double()), generator(noise().double()), rtol=0, atol=1e-11)
