"""The textbook supernet (DARTS): every operation of every edge runs separately, and weighted outputs are summed, in
NCHW memory. Slow and obviously right: tests compare `degas.nas` with it, and `degas benchmark` times it.

Each operation has its own batch norm without affine part, ×4 edges up-sample first, and nothing is shared or merged.
The operations are built from torch alone; the graph is that of `nets.backbone`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degas.nas.supernet.mixing import Mixing
from degas.nas.supernet.supernet import Supernet
from degas.nets.backbone import Backbone, module_name
from degas.space.graph import SearchSpace


def norm(width: int) -> nn.Module:
    return nn.BatchNorm2d(width, affine=False)


def conv(width: int, size: int, dilation: int = 1, groups: int = 1) -> nn.Module:
    padding = dilation * (size - 1) // 2
    return nn.Conv2d(width, width, size, padding=padding, dilation=dilation, groups=groups, bias=False)


class BilinearConv(nn.Module):
    """Bilinear ×2 of the zero-padded map, then a 3×3 convolution of the whole result, cropped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        margin = 2  # pixels of zeros, 4 after up-sampling; the convolution takes one
        wide = F.interpolate(F.pad(x, (margin,) * 4), scale_factor=2, mode="bilinear", align_corners=False)
        return self.conv(wide)[:, :, 3:-3, 3:-3]


def depthwise_pointwise(width: int, size: int, dilation: int, order: str) -> list[nn.Module]:
    core = [nn.ReLU(), conv(width, size, dilation, groups=width), conv(width, 1)]
    return [norm(width), *core] if order == "preact" else [*core, norm(width)]


def textbook_operation(name: str, width: int, factor: int, order: str) -> nn.Sequential:
    """Operation `name` of an edge that up-samples by `factor` (1: normal): (N, C, H, W) → (N, C, factor·H, …)."""
    up_first = [nn.Upsample(scale_factor=factor // 2, mode="nearest")] if factor > 2 else []
    head = [norm(width), nn.ReLU()]
    nearest = nn.Upsample(scale_factor=2, mode="nearest")
    modules: list[nn.Module] = {
        "conv_1x1": lambda: [*head, conv(width, 1)],
        "conv_3x3": lambda: [*head, conv(width, 3)],
        "max_pool_3x3": lambda: [nn.MaxPool2d(3, 1, 1), norm(width)],
        "avg_pool_3x3": lambda: [nn.AvgPool2d(3, 1, 1, count_include_pad=False), norm(width)],
        "skip": list,
        "sep_conv_3x3": lambda: [m for _ in range(2) for m in depthwise_pointwise(width, 3, 1, order)],
        "sep_conv_5x5": lambda: [m for _ in range(2) for m in depthwise_pointwise(width, 5, 1, order)],
        "dil_conv_3x3": lambda: depthwise_pointwise(width, 3, 2, order),
        "dil_conv_5x5": lambda: depthwise_pointwise(width, 5, 2, order),
        "deconv_4x4": lambda: [*head, nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False)],
        "deconv_6x6": lambda: [*head, nn.ConvTranspose2d(width, width, 6, 2, 2, bias=False)],
        "nearest_conv_1x1": lambda: [*head, nearest, conv(width, 1)],
        "nearest_conv_3x3": lambda: [*head, nearest, conv(width, 3)],
        "nearest_conv_5x5": lambda: [*head, nearest, conv(width, 5)],
        "bilinear_conv_3x3": lambda: [*head, BilinearConv(width)],
    }[name]()
    return nn.Sequential(*up_first, *modules)


class TextbookMixedOp(nn.Module):
    """x (N, C, H, W) → Σ_k softmax(α)_k · o_k(x), `zero` giving zeros. Takes x itself, not a `NodeValue`."""

    def __init__(self, operations: Sequence[str], width: int, *, factor: int = 1, order: str = "preact") -> None:
        super().__init__()
        self.names = tuple(operations)
        self.alpha = nn.Parameter(torch.zeros(len(self.names)))
        self.rule = Mixing()
        self.operations = nn.ModuleDict(
            {name: textbook_operation(name, width, factor, order) for name in self.names if name != "zero"}
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        weights = self.weights()
        terms = [weights[self.names.index(name)] * operation(x) for name, operation in self.operations.items()]
        return sum(terms[1:], terms[0])

    def weights(self) -> Tensor:
        """softmax(α); with temperature, noise, masks and gain, computed term by term."""
        if self.rule == Mixing():
            return torch.softmax(self.alpha, dim=0)
        noise = self.rule.noise if self.rule.noise is not None else torch.zeros_like(self.alpha)
        keep = self.rule.keep or [True] * len(self.names)
        powers = [torch.exp((a + g) / self.rule.temperature) for a, g in zip(self.alpha, noise, strict=True)]
        kept = torch.stack([power * float(stays) for power, stays in zip(powers, keep, strict=True)])
        return self.rule.gain * (kept / kept.sum()) if any(keep) else kept

    def kernels(self, name: str) -> list[nn.Parameter]:
        """The convolution weights of an operation, first to last."""
        return list(self.operations[name].parameters())

    @torch.no_grad()
    def copy_from(self, mixed: nn.Module) -> None:
        """Copy α, the mixing rule and all weights of a `degas.nas.supernet.mixed.MixedOp` with the same operations."""
        self.alpha.copy_(mixed.alpha)  # type: ignore[arg-type]
        self.rule = mixed.mixing_rule  # type: ignore[assignment]
        for name in self.operations:
            theirs = mixed.branches[name].parameters()  # type: ignore[index, union-attr]
            for kernel, weight in zip(self.kernels(name), theirs, strict=True):
                kernel.copy_(weight)


def textbook_supernet(
    space: SearchSpace, *, base_size: int, width: int, noise_size: int, channels: int, separable_order: str = "preact"
) -> Backbone:
    """Latents (N, noise_size) → images (N, channels, H, W), like `degas.nas.supernet.supernet.Supernet`."""
    return Backbone(
        space.slots,
        num_stages=space.num_stages,
        base_size=base_size,
        width=width,
        noise_size=noise_size,
        channels=channels,
        make_edge=lambda s: TextbookMixedOp(space.operations(s), width, factor=s.factor, order=separable_order),
    )


@torch.no_grad()
def copy_supernet(textbook: Backbone, supernet: Supernet) -> None:
    """Copy weights and α of `supernet`, with the same space and sizes, to `textbook`."""
    ours = supernet.backbone
    for slot in ours.slots:
        edge = textbook.edges[module_name(slot.name)]
        assert isinstance(edge, TextbookMixedOp)
        edge.copy_from(supernet.edge(slot))
    for theirs, own in ((textbook.linear, ours.linear), (textbook.to_image, ours.to_image), (textbook.norm, ours.norm)):
        theirs.load_state_dict(own.state_dict())
