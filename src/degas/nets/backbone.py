"""The graph of paper Figure 2, shared by supernet and generator.

noise → linear, reshape → U0 → N1 → U1 → … → US → BN, ReLU, conv 3×3, tanh → image. A node is the sum of its edges;
the caller defines what an edge computes (`make_edge`): one operation in a generator, a mix in the supernet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from degas.nets.normalisation import BatchNorm
from degas.nets.operations import convolution
from degas.space.graph import Slot, stage_of

FLAT = 0.01  # `image_gain` for fits by reconstruction


@dataclass
class Maps:
    """The maps of a forward pass: node → map (N, width, h, h), and node → the value that its edges receive."""

    nodes: dict[str, Tensor]
    values: dict[str, Any]


class Backbone(nn.Module):
    """Noise (N, noise_size) → images (N, channels, H, W) in [−1, 1], H = W = base_size·2^num_stages.

    Args:
        slots: the edges to build, in the graph's order (a node's edges are summed in this order).
        num_stages, base_size, width, noise_size, channels: sizes, as in `Architecture`.
        make_edge: slot → module, called as `edge(value, labels)`.
        image_gain: approximate variance of the first images before their tanh. The default is nearly flat, so that a
            fit need not unlearn noise first (GLO on 3,200 CIFAR-10 (JPEG) images, C = 32, 200 steps: loss 0.450
            against 0.504).
        make_value: if given, width → module that is applied once to every node that feeds an edge; edges receive its
            output. The supernet shares ReLU(BN(x)) in this way among the edges that leave a node.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        num_stages: int,
        base_size: int,
        width: int,
        noise_size: int,
        channels: int,
        make_edge: Callable[[Slot], nn.Module],
        make_value: Callable[[int], nn.Module] | None = None,
        image_gain: float = FLAT,
    ) -> None:
        super().__init__()
        self.slots = tuple(slots)
        self.incoming: dict[str, list[Slot]] = {}  # in the order in which nodes are computed
        for slot in slots:
            self.incoming.setdefault(slot.target, []).append(slot)
        self.base_size, self.width, self.last = base_size, width, f"U{num_stages}"
        self.linear = nn.Linear(noise_size, width * base_size * base_size)
        nn.init.normal_(self.linear.weight, std=noise_size**-0.5)
        nn.init.zeros_(self.linear.bias)
        self.edges = nn.ModuleDict({module_name(slot.name): make_edge(slot) for slot in slots})
        sources = dict.fromkeys(slot.source for slot in slots) if make_value else {}
        self.values = nn.ModuleDict({module_name(node): make_value(width) for node in sources} if make_value else {})
        self.norm = BatchNorm(width)
        self.to_image = convolution(width, channels, 3, gain=image_gain)
        self.to_image.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.image(self.maps(noise, labels), labels)

    def maps(self, noise: Tensor, labels: Tensor | None = None, *, before: str | None = None) -> Maps:
        """All maps up to the one that feeds the image, or only those computed before node `before`."""
        maps = Maps({"U0": self.first_map(noise)}, {})
        for node in self.incoming:
            if node == before:
                break
            self._compute(node, maps, labels)
        return maps

    def image(self, maps: Maps, labels: Tensor | None = None) -> Tensor:
        """Images (N, channels, H, W) from `maps`; computes its missing nodes and does not change `maps`."""
        maps = Maps(dict(maps.nodes), dict(maps.values))
        for node in self.incoming:
            if node not in maps.nodes:
                self._compute(node, maps, labels)
        return self.head(maps.nodes[self.last])

    def last_maps(self, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The maps U_(S−1) (N, width, H/2, W/2), which fed the image of a stage before, and U_S, which `head` takes."""
        nodes = self.maps(noise, labels).nodes
        return nodes[f"U{stage_of(self.last) - 1}"], nodes[self.last]

    def head(self, x: Tensor) -> Tensor:
        """The image of the last map."""
        activated = self.norm(x).relu_()  # in place: the backward of a batch norm reads its input
        return torch.tanh(self.to_image(activated))

    def _compute(self, node: str, maps: Maps, labels: Tensor | None) -> None:
        slots = self.incoming[node]
        for slot in slots:
            self.value(slot.source, maps)
        maps.nodes[node] = self.sum_edges(slots, maps.values, labels)

    def sum_edges(self, slots: Sequence[Slot], values: Mapping[str, Any], labels: Tensor | None) -> Tensor:
        """A node from the `values` of its sources; the supernet overrides it with the same sum in fewer steps."""
        terms = [self.edges[module_name(slot.name)](values[slot.source], labels) for slot in slots]
        return cast(Tensor, sum(terms[1:], terms[0]))

    def first_map(self, noise: Tensor) -> Tensor:
        """U0: the linear layer, reshaped (N, width, base, base), in channels-last memory if the weights are."""
        flat = self.linear(noise).view(-1, self.width, self.base_size, self.base_size)
        channels_last = self.to_image.weight.is_contiguous(memory_format=torch.channels_last)
        return flat.contiguous(memory_format=torch.channels_last) if channels_last else flat

    def value(self, node: str, maps: Maps) -> Any:
        """The value that the edges out of a computed node receive; `maps` keeps it."""
        if node not in maps.values:
            name, x = module_name(node), maps.nodes[node]
            maps.values[node] = self.values[name](x) if name in self.values else x
        return maps.values[node]


def module_name(name: str) -> str:
    """A node's or edge's name as a module key, which must not contain a dot: `N1.2->U1` → `N1_2-U1`."""
    return name.replace("->", "-").replace(".", "_")
