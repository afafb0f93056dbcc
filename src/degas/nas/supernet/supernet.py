"""The supernet: the backbone with a MixedOp on every edge, weighted by α. Paper §3.2, Figure 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from degas.nas.supernet.mixed import MixedOp, NodeValue, SharedActivation, sum_edges
from degas.nas.supernet.recomputed import recomputed
from degas.nets.backbone import Backbone, module_name
from degas.runtime.transfer import to_device
from degas.space.graph import SearchSpace, Slot


class MixedBackbone(Backbone):
    """The backbone with `MixedOp` edges; those into a node are summed with the fewest convolutions.

    Attributes:
        recomputes: the backward pass computes again what the edges into a node compute; their inputs are kept.
    """

    recomputes = False

    def sum_edges(self, slots: Sequence[Slot], values: Mapping[str, NodeValue], labels: Tensor | None) -> Tensor:
        edges = [cast(MixedOp, self.edges[module_name(slot.name)]) for slot in slots]
        sources = [values[slot.source] for slot in slots]

        def total(values: Sequence[NodeValue]) -> Tensor:
            return sum_edges([edge.parts(value) for edge, value in zip(edges, values, strict=True)])

        if not self.recomputes:
            return total(sources)
        now = [value.as_now() for value in sources]  # what the first pass adds, another one has to compute again
        again = lambda: total([value.as_now() for value in now])  # noqa: E731
        return recomputed(nn.ModuleList(edges), partial(total, sources), again)


class Supernet(nn.Module):
    """Inputs (N, noise_size) → images (N, channels, H, W) in [−1, 1], H = W = base_size·2^num_stages.

    Given edges (`SearchSpace.prefix`) have one operation and no α. Every operation starts with equal output variance
    (`nets.operations`), so that scale does not act like α. Batch
    norms in operations have no affine part (DARTS); pools are followed by one.

    Args:
        space: the graph and its candidates.
        base_size, width, noise_size, channels: sizes, as in `Architecture`.
        separable_order: `preact` or `darts`, as in `Architecture`.
        alpha_std: α ~ N(0, alpha_std²) at the start (DARTS: 1e-3).
        fold_factor: see `MixedOp`.
        recomputes: keep fewer activations for the backward pass, which computes them again (`recomputed`).
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        base_size: int,
        width: int,
        noise_size: int,
        channels: int,
        separable_order: str = "preact",
        alpha_std: float = 1e-3,
        fold_factor: bool = True,
        recomputes: bool = False,
    ) -> None:
        super().__init__()
        self.space = space

        def make_edge(slot: Slot) -> MixedOp:
            return MixedOp(
                slot,
                space.operations(slot),
                width,
                separable_order=separable_order,
                alpha_std=alpha_std,
                fold_factor=fold_factor,
                searched=space.is_searched(slot),
            )

        self.backbone = MixedBackbone(
            space.slots,
            num_stages=space.num_stages,
            base_size=base_size,
            width=width,
            noise_size=noise_size,
            channels=channels,
            make_edge=make_edge,
            make_value=SharedActivation,
        )
        self.backbone.recomputes = recomputes
        for first, *others in space.roles.values():
            for slot in others:
                self.edge(slot).alpha = self.edge(first).alpha

    def forward(self, inputs: Tensor) -> Tensor:
        return self.backbone(inputs)

    def values(self, inputs: Tensor, node: str) -> dict[str, NodeValue]:
        """Node → the value that its edges receive, for every source of `node`; computes nothing after them."""
        maps = self.backbone.maps(inputs, before=node)
        return {slot.source: self.backbone.value(slot.source, maps) for slot in self.space.incoming(node)}

    def edge(self, slot: Slot) -> MixedOp:
        edge = self.backbone.edges[module_name(slot.name)]
        assert isinstance(edge, MixedOp)
        return edge

    def alphas(self) -> list[nn.Parameter]:
        """Every α once, each (K,), in the order of the slots: one per edge, or per role if stages share them."""
        return [cast(nn.Parameter, self.edge(slots[0]).alpha) for slots in self.space.roles.values()]

    def edge_alphas(self) -> list[Tensor]:
        """α of every searched edge, in the order of the slots; −∞ for operations that have left the search."""
        return [remaining_alpha(self.edge(slot)) for slot in self.space.searched_slots]

    def weights(self) -> list[nn.Parameter]:
        """All parameters except α."""
        alphas = {id(alpha) for alpha in self.alphas()}
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def alpha_by_name(self) -> dict[str, dict[str, float]]:
        """Slot name → operation name → α; an operation that has left the search is 1 below the least that remains."""
        found = {}
        for slot in self.space.searched_slots:
            edge = self.edge(slot)
            values = dict(zip(edge.names, edge.alpha.tolist(), strict=True))
            found[slot.name] = below_remaining(values, edge)
        return found

    def left_by_name(self) -> dict[str, list[str]]:
        """Slot name → the operations that have left the search; only edges that some have left."""
        edges = {slot.name: self.edge(slot) for slot in self.space.searched_slots}
        left = {slot: [name for name in edge.names if not edge.has(name)] for slot, edge in edges.items()}
        return {slot: names for slot, names in left.items() if names}

    @torch.no_grad()
    def mixing_by_name(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Slot name → operation name → `weight`, softmax(α), and `scaled`, weight · ‖kernel‖.

        A growing kernel could act like α; this shows whether it does. The kernel is the operation's share of the mixed
        one for a dense convolution, else its last convolution; None for an operation without one.
        """
        return {slot.name: self.edge(slot).mixing() for slot in self.space.searched_slots}


def remaining_alpha(edge: MixedOp) -> Tensor:
    """α (K,) of an edge, with −∞ for operations that have left the search."""
    if edge.remaining is None:
        return edge.alpha
    return edge.alpha.masked_fill(~to_device(torch.tensor(edge.remaining), edge.alpha.device), -torch.inf)


def below_remaining(values: Mapping[str, float], edge: MixedOp) -> dict[str, float]:
    """Values of an edge's operations, larger is better, with 1 less than the least for those that have left.

    So they rank last on their edge, and files hold plain numbers.
    """
    least = min(value for name, value in values.items() if edge.has(name))
    return {name: value if edge.has(name) else least - 1.0 for name, value in values.items()}
