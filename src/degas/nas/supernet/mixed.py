"""MixedOp, o(x) = Σ_k softmax(α)_k · o_k(x) (paper eq. 1), computed in kernel space.

Batch norm in the supernet has no affine part, so all operations that begin with BN, ReLU share the *same* ReLU(BN(x)):
a node computes it once for all its outgoing edges (`NodeValue`). The rest of a dense convolution is linear, and a
weighted sum of linear maps is one map with the weighted sum of the kernels:

- the dense convolutions of a normal edge become one convolution (3×3 for the paper's operations);
- all operations of an up edge become one transposed convolution (6×6, stride 2, padding 2); also on a ×4 edge, where
  nearest up-sampling first means copies of the kernel, 8×8 and stride 4.

The remaining operations run one by one; their mixing weight goes into their last convolution or batch norm, where it
costs nothing. Edges of one node that mix kernels of the same kind are one convolution of their joined inputs
(`sum_edges`). Kernels are mixed in float32; autocast casts the mixed kernel. All this equals the plain sum in
`tests/reference/textbook_mixed.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from degas.nas.supernet.branch import Branch, NodeValue
from degas.nas.supernet.kernels import KernelMix, centred, convolve, unit_kernels
from degas.nas.supernet.mixing import Mixing
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import build_operation
from degas.nets.resampling import fold_nearest, repeat_pixels, up_convolve
from degas.space.graph import ZERO, Slot


class SharedActivation(nn.Module):
    """ReLU(BN(x)) of a node, computed once for all outgoing edges."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = BatchNorm(width, affine=False)

    def forward(self, x: Tensor) -> NodeValue:
        # In place, as in branches: the backward of a batch norm reads its input, not its output.
        return NodeValue(x, self.norm(x).relu_())


class MixedOp(nn.Module):
    """The mix of all operations of an edge: NodeValue of (N, C, H, W) → (N, C, factor·H, factor·W).

    Args:
        slot: the edge; operations are built for its kind and factor.
        operations: names of the candidates; `zero` contributes nothing but has a share of the softmax.
        width: C.
        separable_order: `preact` or `darts`.
        alpha_std: α ~ N(0, alpha_std²) at the start (DARTS: 1e-3).
        fold_factor: whether a ×4 edge is one kernel of stride 4, or nearest ×2 followed by one of stride 2. Both are
            exact.
        searched: whether the edge has an α; without one, its operations have equal weights, and a single one weight 1.
    """

    alpha: Tensor

    def __init__(
        self,
        slot: Slot,
        operations: Sequence[str],
        width: int,
        *,
        separable_order: str = "preact",
        alpha_std: float = 1e-3,
        fold_factor: bool = True,
        searched: bool = True,
    ) -> None:
        super().__init__()
        self.names = tuple(operations)
        self.factor = slot.factor
        self.repeats = max(slot.factor // 2, 1)  # nearest up-sampling before the ×2 operations
        self.folded = self.repeats if fold_factor else 1  # its part inside the kernel
        if searched:
            self.alpha = nn.Parameter(alpha_std * torch.randn(len(self.names)))
        else:
            self.register_buffer("alpha", torch.zeros(len(self.names)), persistent=False)
        self.mixing_rule = Mixing()
        self.remaining: tuple[bool, ...] | None = None  # operations that have not left the search; None: all
        self.branches = nn.ModuleDict()
        for name in self.names:
            if name != ZERO:
                operation = build_operation(
                    name, width, norm=_plain_norm, separable_order=separable_order, pool_norm=True
                )
                self.branches[name] = Branch(operation)
        self._kernel_mixes: dict[tuple[int, ...], KernelMix] = {}  # by the positions of the mixed operations
        for kind in ("conv", "up"):
            self._kernel_mix([(place, branch) for place, branch in self._branches() if branch.dense == kind])

    def forward(self, value: NodeValue, labels: Tensor | None = None) -> Tensor:
        return sum_edges([self.parts(value)])

    def parts(self, value: NodeValue) -> EdgeParts:
        """The mix as a sum of computed maps and of convolutions still to compute."""
        weights = self.weights()
        computed = self._computed()
        total = None if computed else repeat_pixels(torch.zeros_like(value.plain), self.factor)
        for position, branch in computed:
            if not branch.dense:
                total = _add(total, branch(value, weights[position], self.repeats))
        conv, up = (self.mixed_kernel(kind, weights) for kind in ("conv", "up"))
        return EdgeParts(
            total,
            conv=(value.activated, conv) if conv is not None else None,
            up=(repeat_pixels(value.activated, self.repeats // self.folded), up) if up is not None else None,
            stride=2 * self.folded,
        )

    def weights(self) -> Tensor:
        """The mixing weights (K,): softmax(α), or `mixing_rule` of α."""
        return self.mixing_rule(self.alpha)

    def has(self, name: str) -> bool:
        """Return whether an operation has not left the search."""
        return self.remaining is None or self.remaining[self.names.index(name)]

    def mixing(self) -> dict[str, dict[str, float | None]]:
        """Operation name → `weight` w and `scaled` w·‖kernel‖, None without a kernel."""
        found: dict[str, dict[str, float | None]] = {}
        for name, weight in zip(self.names, self.weights().tolist(), strict=True):
            norm = cast(Branch, self.branches[name]).kernel_norm() if name in self.branches else None
            found[name] = {"weight": weight, "scaled": None if norm is None else weight * norm}
        return found

    def mixed_kernel(self, kind: str, weights: Tensor) -> Tensor | None:
        """The kernel of all dense branches of a kind that the mixing rule computes; None without one to compute."""
        if not any(branch.dense == kind for _, branch in self._computed()):
            return None
        rule = self.mixing_rule.computed
        mixed = [(k, branch) for k, branch in self._branches() if branch.dense == kind and (rule is None or rule[k])]
        mix = self._kernel_mix(mixed)
        assert mix is not None  # one branch at least is computed
        return mix([branch.own_kernel() for _, branch in mixed], weights)

    def _kernel_mix(self, dense: Sequence[tuple[int, Branch]]) -> KernelMix | None:
        """The map from the taps of dense branches of one kind to the kernel of the edge; made once, then kept."""
        positions = tuple(position for position, _ in dense)
        if dense and positions not in self._kernel_mixes:
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                units = [branch.spread_kernel(unit_kernels(branch.own_kernel().shape[-1])) for _, branch in dense]
                maps = [fold_nearest(unit, self.folded).squeeze(1) for unit in units]
            self._kernel_mixes[positions] = KernelMix(maps, positions)
        return self._kernel_mixes.get(positions)

    def _computed(self) -> list[tuple[int, Branch]]:
        """The branches to compute: without gradients, masked branches (weight 0) are left out.

        With gradients, all of them: their optimiser moves their weights too, if only by its moments. Branches that the
        rule does not compute (`Mixing.computed`) are always left out.
        """
        keep, computed = self.mixing_rule.keep, self.mixing_rule.computed
        found = self._branches()
        if computed is not None:
            found = [(position, branch) for position, branch in found if computed[position]]
        if keep is None or torch.is_grad_enabled():
            return found
        return [(position, branch) for position, branch in found if keep[position]]

    def _branches(self) -> list[tuple[int, Branch]]:
        """Yield every operation except `zero`, with its index in α."""
        return [(self.names.index(name), cast(Branch, branch)) for name, branch in self.branches.items()]


@dataclass
class EdgeParts:
    """An edge's contribution to its node: `total`, and the convolutions `conv` and `up` of (input, kernel).

    `total` is (N, C, H, W) of the node, or None; `stride` is that of `up`.
    """

    total: Tensor | None
    conv: tuple[Tensor, Tensor] | None
    up: tuple[Tensor, Tensor] | None
    stride: int


def sum_edges(edges: Sequence[EdgeParts]) -> Tensor:
    """The sum of all contributions to a node, (N, C, H, W), with the fewest convolutions.

    A sum of convolutions of several maps is one convolution of the maps joined along the channels.
    """
    total: Tensor | None = None
    for edge in edges:
        total = _add(total, edge.total)
    total = _add(total, _joined([edge.conv for edge in edges], 1, convolve))
    for stride in sorted({edge.stride for edge in edges}):
        ups = [edge.up for edge in edges if edge.stride == stride]
        total = _add(total, _joined(ups, 0, partial(up_convolve, stride=stride)))
    assert total is not None  # a space has at least one operation of each kind
    return total


def _joined(
    pairs: Sequence[tuple[Tensor, Tensor] | None], input_axis: int, apply: Callable[[Tensor, Tensor], Tensor]
) -> Tensor | None:
    """Call `apply` with the joined inputs and the kernels joined along the axis of their input channels."""
    given = [pair for pair in pairs if pair is not None]
    if not given:
        return None
    size = max(kernel.shape[-1] for _, kernel in given)
    kernels = [centred(kernel, size) for _, kernel in given]
    if len(given) == 1:
        return apply(given[0][0], kernels[0])
    return apply(torch.cat([x for x, _ in given], dim=1), torch.cat(kernels, dim=input_axis))


def _plain_norm(width: int) -> nn.Module:
    return BatchNorm(width, affine=False)


def _add(total: Tensor | None, term: Tensor | None) -> Tensor | None:
    """total + term, in place if possible: every total was made here, and no backward pass reads it."""
    if total is None or term is None:
        return term if total is None else total
    return total.add_(term) if total.dtype == term.dtype else total + term
