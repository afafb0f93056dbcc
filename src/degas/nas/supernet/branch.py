"""One operation of a mix, without the part that it shares with others: its linear part, and its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from degas.nas.supernet.depthwise import depthwise, is_depthwise
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import BilinearConvolution, Chain, Nearest, bilinear_kernel
from degas.nets.resampling import repeat_pixels, spread

SHARED_EPS = BatchNorm(1, affine=False).eps  # of the batch norm that `mixed.SharedActivation` computes


@dataclass
class NodeValue:
    """The inputs of a node's edges: the map, ReLU(BN(map)), and ReLU(map) on request. All (N, C, H, W)."""

    plain: Tensor
    activated: Tensor
    _rectified: Tensor | None = field(default=None, repr=False)

    @property
    def rectified(self) -> Tensor:
        if self._rectified is None:
            self._rectified = torch.relu(self.plain)
        return self._rectified

    def as_now(self) -> NodeValue:
        """A copy, with the same maps, that does not get what is computed on request later."""
        return replace(self)


class Branch(nn.Module):
    """One operation of a mix, without the head that it shares with others.

    `head` names its input: `activated` (it began with BN, ReLU), `rectified` (with ReLU) or `plain`. `dense` names the
    mixed kernel that it joins: `conv`, `up`, or none.
    """

    def __init__(self, operation: Chain) -> None:
        super().__init__()
        modules = _flat(operation)
        self.head, skipped = _head(modules)
        self.tail = nn.ModuleList(modules[skipped:])
        self.dense = _dense_kind(list(self.tail)) if self.head == "activated" else ""

    def own_kernel(self) -> Tensor:
        """A dense branch's weight, with input channels first for `up`: the argument of `spread_kernel`."""
        weight = self.tail[-1].weight
        assert isinstance(weight, Tensor)
        return weight.transpose(0, 1) if isinstance(self.tail[0], Nearest | BilinearConvolution) else weight

    def spread_kernel(self, kernel: Tensor) -> Tensor:
        """The kernel of the whole branch, (C_out, C_in, k, k) for `conv`, (C_in, C_out, k, k) for `up`."""
        if isinstance(self.tail[0], Nearest):  # copies of the flipped kernel, one for each repeated pixel
            return spread(kernel.flip(2, 3), copies=2, shift=1)
        return bilinear_kernel(kernel) if isinstance(self.tail[0], BilinearConvolution) else kernel

    def kernel_norm(self) -> float | None:
        """‖kernel‖ of a dense branch in the mix, else of the last convolution; None without one."""
        if self.dense:
            return float(self.spread_kernel(self.own_kernel()).norm())
        convolutions = [m for m in self.tail if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        return float(convolutions[-1].weight.norm()) if convolutions else None

    def forward(self, value: NodeValue, weight: Tensor, repeats: int) -> Tensor:
        """weight · operation(x); the weight goes into the last module if that is linear."""
        x = getattr(value, self.head)
        if repeats > 1:
            x = repeat_pixels(x, repeats)
        modules = list(self.tail)  # slicing a ModuleList makes a new one, which takes longer than small convolutions
        for before, module in zip([None, *modules], modules[:-1], strict=False):
            if isinstance(module, nn.Conv2d) and is_depthwise(module):
                x = depthwise(x, module.weight, module.dilation[0])
            elif isinstance(module, nn.ReLU) and isinstance(before, BatchNorm):
                x = x.relu_()
            else:
                x = module(x)
        last = modules[-1] if modules else None
        if isinstance(last, BatchNorm) and last.weight is None:
            # Contiguous: torch 2.13 on the CPU misreads an expanded weight in the backward pass of 1×1 maps.
            scale = weight.expand(last.running_mean.shape).contiguous()
            return last.normalise(x, scale, torch.zeros_like(scale))
        if isinstance(last, nn.Conv2d) and last.bias is None:
            return last._conv_forward(x, weight * last.weight, None)
        return weight * (last(x) if last is not None else x)


def _flat(operation: Chain) -> list[nn.Module]:
    """The modules of nested chains, in order."""
    return [inner for module in operation for inner in (_flat(module) if isinstance(module, Chain) else [module])]


def _head(modules: Sequence[nn.Module]) -> tuple[str, int]:
    """Return the part of a node's value that the operation reads, and the number of its modules replaced by that."""
    if len(modules) > 1 and _is_shared_norm(modules[0]) and isinstance(modules[1], nn.ReLU):
        return "activated", 2
    if modules and isinstance(modules[0], nn.ReLU):
        return "rectified", 1
    return "plain", 0


def _is_shared_norm(module: nn.Module) -> bool:
    """Return whether `module` is like the one of `SharedActivation`; registered operations may have another."""
    return type(module) is BatchNorm and module.weight is None and module.eps == SHARED_EPS


def _dense_kind(tail: Sequence[nn.Module]) -> str:
    """Return the mixed kernel that a branch joins; "" for an unusual convolution, which runs separately."""
    last = tail[-1] if len(tail) else None
    if isinstance(last, BilinearConvolution) and len(tail) == 1:
        return "up"
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
