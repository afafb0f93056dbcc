"""The cost of an operation, an architecture or a whole generator: parameters and multiply-adds per image.

Costs are counted on modules on PyTorch's meta device (shapes without memory), so that a registered operation counts
like any other. The tests hold the closed forms. Batch norms, activations and pools count no multiply-adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from degas.nets.normalisation import BatchNorm
from degas.nets.operations import build_operation
from degas.nets.resampling import as_defined
from degas.space.architecture import Architecture
from degas.space.graph import ZERO, SearchSpace, Slot


@dataclass(frozen=True)
class Cost:
    """`num_parameters` learned values; `multiply_adds` of one image's forward pass."""

    num_parameters: int
    multiply_adds: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.num_parameters + other.num_parameters, self.multiply_adds + other.multiply_adds)


def count_parameters(module: nn.Module) -> int:
    """Number of learned values of `module`, without buffers."""
    return sum(parameter.numel() for parameter in module.parameters())


def module_cost(module: nn.Module, *inputs: torch.Tensor) -> Cost:
    """Cost of a module in one forward pass over `inputs` of batch size one, which may be on the meta device."""
    counter = FlopCounterMode(display=False)
    module.eval()
    with counter, torch.no_grad(), as_defined():  # the usual way of counting; the fused forms compute fewer
        module(*inputs)
    return Cost(count_parameters(module), counter.get_total_flops() // 2)


@lru_cache(maxsize=4096)
def operation_cost(
    name: str, width: int, *, factor: int = 1, size: int = 4, separable_order: str = "preact", affine: bool = True
) -> Cost:
    """Cost of one operation on a (1, width, size, size) input; `zero` costs nothing.

    With `affine` False the batch norms have no parameters, as in the supernet.
    """
    if name == ZERO:
        return Cost(0, 0)
    with torch.device("meta"):
        norm = lambda features: BatchNorm(features, affine=affine)  # noqa: E731
        operation = build_operation(name, width, factor=factor, norm=norm, separable_order=separable_order)
        return module_cost(operation, torch.empty(1, width, size, size))


def slot_cost(slot: Slot, operation: str, architecture: Architecture) -> Cost:
    """Cost of `operation` on `slot`, at the architecture's sizes."""
    size = architecture.base_size * 2**slot.stage
    order = architecture.separable_order
    return operation_cost(operation, architecture.width, factor=slot.factor, size=size, separable_order=order)


def slot_costs(
    space: SearchSpace, *, base_size: int, width: int, separable_order: Literal["preact", "darts"] = "preact"
) -> dict[str, dict[str, Cost]]:
    """Slot name → operation name → cost that the operation adds to a generator of these sizes if kept there."""
    return {
        slot.name: {
            name: operation_cost(
                name,
                width,
                factor=slot.factor,
                size=base_size * 2**slot.stage,
                separable_order=separable_order,
            )
            for name in space.operations(slot)
        }
        for slot in space.slots
    }


def frame_cost(architecture: Architecture) -> Cost:
    """Cost of the parts that every architecture has: linear layer, last batch norm, convolution to the image."""
    width, channels, size = architecture.width, architecture.channels, architecture.image_size
    first_map = width * architecture.base_size**2
    linear = Cost((architecture.noise_size + 1) * first_map, architecture.noise_size * first_map)
    to_image = Cost(9 * width * channels + channels, 9 * width * channels * size**2)
    return linear + Cost(2 * width, 0) + to_image


def architecture_cost(architecture: Architecture) -> Cost:
    """Cost of an architecture's unconditional generator, which is not built."""
    total = frame_cost(architecture)
    for edge in architecture.edges:
        total += slot_cost(architecture.slot(edge), edge.operation, architecture)
    return total


def supernet_parameters(space: SearchSpace, *, base_size: int, width: int, noise_size: int, channels: int) -> int:
    """Number of learned values of the supernet, without α and without building it."""
    sizes = (space.num_stages, space.num_normal, base_size, width, noise_size, channels)
    total = frame_cost(Architecture(*sizes, space.draw(0), order=space.order)).num_parameters
    for slot in space.slots:
        for name in space.operations(slot):
            total += operation_cost(name, width, affine=False).num_parameters
    return total
