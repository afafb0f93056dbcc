"""MixedOp, o(x) = Σ_k softmax(α)_k · o_k(x) (paper eq. 1), computed in kernel space. Spec §2.

Batch norm in the supernet has no affine part, so every operation that begins with BN, ReLU begins with the *same*
ReLU(BN(x)): a node computes it once for all edges that leave it (`NodeValue`). What is left of a dense convolution is
linear, and a weighted sum of linear maps is one map with the weighted sum of the kernels:

- the dense convolutions of a normal edge become one convolution (3×3 for the paper's operations);
- all operations of an up edge become one transposed convolution (6×6, stride 2, padding 2), a ×4 edge included: nearest
  up-sampling first is again copies of the kernel, 8×8 and stride 4.

The remaining operations run one by one; their mixing weight goes into their last convolution or batch norm, where it
costs nothing. Edges of one node that mix kernels of the same kind are one convolution of their joined inputs
(`sum_edges`). Kernels are mixed in float32; autocast, where it is on, casts the mixed kernel. The plain sum that all
this equals is `tests/reference/textbook_mixed.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degas.architecture import ZERO, Slot
from degas.nas.depthwise import depthwise, is_depthwise
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import Chain, Nearest, build_operation


@dataclass
class NodeValue:
    """What a node's edges read: the map itself, ReLU(BN(map)), and ReLU(map) for those that ask. All (N, C, H, W)."""

    plain: Tensor
    activated: Tensor
    _rectified: Tensor | None = field(default=None, repr=False)

    @property
    def rectified(self) -> Tensor:
        if self._rectified is None:
            self._rectified = torch.relu(self.plain)
        return self._rectified


class SharedActivation(nn.Module):
    """ReLU(BN(x)) of a node, computed once for all edges that leave it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = BatchNorm(width, affine=False)

    def forward(self, x: Tensor) -> NodeValue:
        return NodeValue(
            x, self.norm(x).relu_()
        )  # in place: the backward of a batch norm reads its input, not its output


class MixedOp(nn.Module):
    """The mix of all operations of an edge: NodeValue of (N, C, H, W) → (N, C, factor·H, factor·W).

    Args:
        slot: the edge; operations are built for its kind and factor.
        operations: names of the candidates; `zero` contributes nothing but takes its share of the softmax.
        width: C.
        separable_order: `preact` or `darts`.
        alpha_std: α ~ N(0, alpha_std²) at the start (DARTS: 1e-3).
        fold_factor: whether a ×4 edge is one kernel of stride 4, or nearest ×2 and then one of stride 2. Both are
            exact.
    """

    def __init__(
        self,
        slot: Slot,
        operations: Sequence[str],
        width: int,
        *,
        separable_order: str = "preact",
        alpha_std: float = 1e-3,
        fold_factor: bool = True,
    ) -> None:
        super().__init__()
        self.names = tuple(operations)
        self.repeats = max(slot.factor // 2, 1)  # nearest up-sampling that comes before the ×2 operations
        self.fold_factor = fold_factor
        self.alpha = nn.Parameter(alpha_std * torch.randn(len(self.names)))
        self.branches = nn.ModuleDict()
        for name in self.names:
            if name != ZERO:
                operation = build_operation(
                    name, width, norm=_plain_norm, separable_order=separable_order, pool_norm=True
                )
                self.branches[name] = Branch(operation)

    def forward(self, value: NodeValue, labels: Tensor | None = None) -> Tensor:
        return sum_edges([self.parts(value)])

    def parts(self, value: NodeValue) -> EdgeParts:
        """The mix as a sum of what has been computed and of convolutions that have not."""
        weights = dict(zip(self.names, torch.softmax(self.alpha, dim=0), strict=True))
        dense: dict[str, list[Tensor]] = {"conv": [], "up": []}
        total: Tensor | None = None
        for name, branch in self.branches.items():
            assert isinstance(branch, Branch)
            if branch.dense:
                dense[branch.dense].append(weights[name] * branch.kernel())
            else:
                total = _add(total, branch(value, weights[name], self.repeats))
        fold = self.repeats if self.fold_factor else 1
        return EdgeParts(
            total,
            conv=(value.activated, merge(dense["conv"])) if dense["conv"] else None,
            up=(repeat_pixels(value.activated, self.repeats // fold), merge(dense["up"])) if dense["up"] else None,
            repeats=fold,
        )


@dataclass
class EdgeParts:
    """An edge's contribution to its node: `total`, and the convolutions `conv` and `up` of (input, kernel).

    `total` is (N, C, H, W) of the node, or None; `repeats` belongs to `up`, see `up_convolve`.
    """

    total: Tensor | None
    conv: tuple[Tensor, Tensor] | None
    up: tuple[Tensor, Tensor] | None
    repeats: int


def sum_edges(edges: Sequence[EdgeParts]) -> Tensor:
    """The sum of all contributions to a node, (N, C, H, W), with as few convolutions as possible.

    A sum of convolutions of several maps is one convolution of the maps joined along the channels.
    """
    total: Tensor | None = None
    for edge in edges:
        total = _add(total, edge.total)
    total = _add(total, _joined([edge.conv for edge in edges], 1, convolve))
    for repeats in sorted({edge.repeats for edge in edges}):
        ups = [edge.up for edge in edges if edge.repeats == repeats]
        total = _add(total, _joined(ups, 0, lambda x, kernel, r=repeats: up_convolve(x, kernel, r)))  # type: ignore[misc]
    assert total is not None  # a space has at least one operation of each kind
    return total


def _joined(
    pairs: Sequence[tuple[Tensor, Tensor] | None], input_axis: int, apply: Callable[[Tensor, Tensor], Tensor]
) -> Tensor | None:
    """`apply` to the inputs joined, and to the kernels joined along the axis of their input channels."""
    given = [pair for pair in pairs if pair is not None]
    if not given:
        return None
    size = max(kernel.shape[-1] for _, kernel in given)
    kernels = [centred(kernel, size) for _, kernel in given]
    if len(given) == 1:
        return apply(given[0][0], kernels[0])
    return apply(torch.cat([x for x, _ in given], dim=1), torch.cat(kernels, dim=input_axis))


class Branch(nn.Module):
    """One operation of a mix, without the head it shares with others.

    `head` says what it reads: `activated` (it began with BN, ReLU), `rectified` (with ReLU) or `plain`. `dense` says
    which mixed kernel it joins: `conv`, `up`, or none.
    """

    def __init__(self, operation: Chain) -> None:
        super().__init__()
        modules = _flat(operation)
        self.head, skipped = _head(modules)
        self.tail = nn.ModuleList(modules[skipped:])
        self.dense = _dense_kind(list(self.tail)) if self.head == "activated" else ""

    def kernel(self) -> Tensor:
        """A dense branch's kernel: (C_out, C_in, k, k) for `conv`, (C_in, C_out, k, k) for `up`."""
        weight = self.tail[-1].weight
        assert isinstance(weight, Tensor)
        if isinstance(self.tail[0], Nearest):  # copies of the flipped kernel, one for each pixel that nearest made
            return spread(weight.transpose(0, 1).flip(2, 3), copies=2, shift=1)
        return weight

    def forward(self, value: NodeValue, weight: Tensor, repeats: int) -> Tensor:
        """weight · operation(x), the weight inside the last module where that is linear."""
        x = getattr(value, self.head)
        if repeats > 1:
            x = repeat_pixels(x, repeats)
        for before, module in zip([None, *self.tail], self.tail[:-1], strict=False):
            if isinstance(module, nn.Conv2d) and is_depthwise(module):
                x = depthwise(x, module.weight, module.dilation[0])
            elif isinstance(module, nn.ReLU) and isinstance(before, BatchNorm):
                x = x.relu_()
            else:
                x = module(x)
        last = self.tail[-1] if len(self.tail) else None
        if isinstance(last, BatchNorm) and last.weight is None:
            # Contiguous: torch 2.13 on the CPU misreads an expanded weight in the backward pass of 1×1 maps.
            scale = weight.expand(last.running_mean.shape).contiguous()
            return last.normalise(x, scale, torch.zeros_like(scale))
        if isinstance(last, nn.Conv2d) and last.bias is None:
            return last._conv_forward(x, weight * last.weight, None)
        return weight * (last(x) if last is not None else x)


def merge(kernels: Sequence[Tensor]) -> Tensor:
    """The sum of kernels (·, ·, k, k) of sizes that differ by even numbers, each centred in the largest."""
    largest = max(kernel.shape[-1] for kernel in kernels)
    return sum((centred(kernel, largest) for kernel in kernels[1:]), centred(kernels[0], largest))


def spread(kernel: Tensor, copies: int, shift: int) -> Tensor:
    """The sum of copies² copies of a kernel (·, ·, k, k), `shift` apart each way: sides of k + shift·(copies − 1)."""
    margin = shift * (copies - 1)
    for axis in (0, 1):
        pads = [(shift * i, margin - shift * i) for i in range(copies)]
        kernel = torch.stack([F.pad(kernel, pad if axis == 0 else (0, 0, *pad)) for pad in pads]).sum(0)
    return kernel


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """A convolution that keeps H and W: kernel (C_out, C_in, k, k), k odd."""
    return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)


def up_convolve(x: Tensor, kernel: Tensor, repeats: int = 1, *, fold: bool = True) -> Tensor:
    """Nearest up-sampling by `repeats`, then a transposed convolution of stride 2, on (N, C, H, W).

    kernel: (C_in, C_out, k, k), k even, so that padding (k − 2)/2 makes the output exactly twice as large. With `fold`
    both are one transposed convolution of stride 2·repeats: the pixels that nearest makes of one are `repeats` apart
    by one, hence their kernels by two.
    """
    padding = (kernel.shape[-1] - 2) // 2
    if repeats > 1 and fold:
        return F.conv_transpose2d(x, spread(kernel, repeats, 2), stride=2 * repeats, padding=padding)
    return F.conv_transpose2d(repeat_pixels(x, repeats), kernel, stride=2, padding=padding)


def repeat_pixels(x: Tensor, repeats: int) -> Tensor:
    """Nearest up-sampling by a whole factor."""
    return F.interpolate(x, scale_factor=repeats, mode="nearest") if repeats > 1 else x


def _plain_norm(width: int) -> nn.Module:
    return BatchNorm(width, affine=False)


def _add(total: Tensor | None, term: Tensor | None) -> Tensor | None:
    return term if total is None else total if term is None else total + term


def centred(kernel: Tensor, size: int) -> Tensor:
    """A kernel (·, ·, k, k) with zeros around it, `size` a side."""
    margin = (size - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin, margin, margin, margin)) if margin else kernel


def _flat(operation: Chain) -> list[nn.Module]:
    """The modules of nested chains, in order."""
    return [inner for module in operation for inner in (_flat(module) if isinstance(module, Chain) else [module])]


def _head(modules: Sequence[nn.Module]) -> tuple[str, int]:
    """What the operation reads of a node's value, and how many of its modules that stands for."""
    if len(modules) > 1 and isinstance(modules[0], BatchNorm) and isinstance(modules[1], nn.ReLU):
        return "activated", 2
    if modules and isinstance(modules[0], nn.ReLU):
        return "rectified", 1
    return "plain", 0


def _dense_kind(tail: Sequence[nn.Module]) -> str:
    """Which mixed kernel a branch joins; convolutions that do anything unusual join none and run on their own."""
    last = tail[-1] if len(tail) else None
    if isinstance(last, nn.ConvTranspose2d) and len(tail) == 1:
        usual = last.stride == (2, 2) and last.padding == ((last.kernel_size[0] - 2) // 2,) * 2
        return "up" if usual and _is_plain(last) else ""
    if isinstance(last, nn.Conv2d):
        usual = _is_plain(last) and last.stride == (1, 1) and last.padding == (last.kernel_size[0] // 2,) * 2
        nearest = len(tail) == 2 and isinstance(tail[0], Nearest) and tail[0].factor == 2
        return ("up" if nearest else "conv" if len(tail) == 1 else "") if usual else ""
    return ""


def _is_plain(conv: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.dilation == (1, 1)
    return square and conv.groups == 1 and conv.bias is None and conv.padding_mode == "zeros"
