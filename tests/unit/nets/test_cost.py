"""Costs against closed forms, and the range of the whole space."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from degas.generator.generator import Generator
from degas.nas.supernet.supernet import Supernet
from degas.nets.cost import Cost, architecture_cost, operation_cost, supernet_parameters
from degas.nets.resampling import as_defined
from degas.space.architecture import Architecture
from degas.space.graph import NORMAL_OPERATIONS, OPERATION_KINDS, ORDERS, UP_OPERATIONS, Edge, Order, SearchSpace


def closed_form(name: str, width: int, factor: int, size: int) -> Cost:
    """Parameters and multiply-adds of an operation, by hand."""
    if "pool" in name or name in ("skip", "zero"):
        return Cost(0, 0)
    kernel = int(name[-1])
    dense, norm = kernel**2 * width**2, 2 * width
    if name.startswith(("sep", "dil")):
        times = 2 if name.startswith("sep") else 1
        one = kernel**2 * width + width**2
        return Cost(times * (one + norm), times * one * size**2)
    if name.startswith("deconv"):
        return Cost(dense + norm, dense * (size * factor // 2) ** 2)
    return Cost(dense + norm, dense * (size * factor) ** 2)


@pytest.mark.parametrize("name", [*OPERATION_KINDS, "zero"])
@pytest.mark.parametrize(("width", "size"), [(8, 4), (6, 5)])
def test_an_operations_cost_is_its_closed_form(name: str, width: int, size: int) -> None:
    for factor in (2, 4) if OPERATION_KINDS.get(name) == "up" else (1,):
        assert operation_cost(name, width, factor=factor, size=size) == closed_form(name, width, factor, size)


def extreme(largest: bool) -> tuple[Edge, ...]:
    """The edges with the most or the fewest parameters, chosen greedily by the closed form."""
    space, choose = SearchSpace(), max if largest else min
    edges = []
    for slot in space.slots:
        one_residual = slot.direct or slot == space.incoming(slot.target)[1]
        if one_residual and (largest or slot.direct):
            names = NORMAL_OPERATIONS if slot.kind == "normal" else UP_OPERATIONS
            name = choose(names, key=lambda n: closed_form(n, 128, 2, 4).num_parameters)
            edges.append(Edge(slot.source, slot.target, name))
    return tuple(edges)


def build(edges: tuple[Edge, ...], width: int, **sizes: Any) -> Architecture:
    return Architecture(3, 1, 4, width, 128, 3, edges, **sizes)


@pytest.mark.parametrize(("width", "smallest", "biggest"), [(128, 317_827, 4_251_523), (32, 70_243, 316_387)])
def test_the_range_of_the_space(width: int, smallest: int, biggest: int) -> None:
    """0.318 to 4.252 million at C = 128, 128-d noise, 4×4 base."""
    assert architecture_cost(build(extreme(False), width)).num_parameters == smallest
    assert architecture_cost(build(extreme(True), width)).num_parameters == biggest


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("stage", ORDERS)
@pytest.mark.parametrize("order", ["preact", "darts"])
def test_an_architectures_cost_is_that_of_the_generator_built(seed: int, order: Any, stage: Order) -> None:
    architecture = build(SearchSpace(order=stage).draw(seed), 8, separable_order=order, order=stage)
    generator = Generator.from_architecture(architecture)
    assert architecture_cost(architecture).num_parameters == generator.num_parameters
    assert architecture_cost(architecture).multiply_adds == counted_by_hooks(generator)


def counted_by_hooks(generator: Generator) -> int:
    """Multiply-adds from the shapes that each layer sees when everything is computed as it is defined."""
    total = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):  # each input pixel is multiplied by its whole kernel
            total += inputs[0].numel() * module.weight[0].numel()
        else:  # each output value is the sum over one filter
            total += output.numel() * module.weight[0].numel()

    layers = [m for m in generator.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with as_defined():
        generator(torch.randn(1, generator.noise_size))
    for handle in handles:
        handle.remove()
    return total


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("num_stages", "num_normal"), [(1, 0), (2, 1), (1, 2)])
def test_a_supernets_parameters_are_those_of_the_one_built(num_stages: int, num_normal: int, order: Order) -> None:
    space = SearchSpace(num_stages, num_normal, order=order)
    sizes = {"base_size": 4, "width": 6, "noise_size": 5, "channels": 3}
    built = Supernet(space, **sizes)
    assert supernet_parameters(space, **sizes) == sum(weight.numel() for weight in built.weights())
