"""The critic: CT-GAN's residual network (its authors' CIFAR-10 code), with the options that other objectives need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from degas.errors import UserError
from degas.nets.initialisation import GLOROT, biased_conv, started
from degas.nets.resampling import convolve_and_half, half
from degas.runtime.registry import Registry, call_with
from degas.runtime.rng import forked_rng

NO_DROPOUT = (0.0, 0.0, 0.0)
LARGEST_LAST_MAP = 16  # pixels; larger maps get more blocks

CriticMaker = Callable[..., nn.Module]
CRITICS: Registry[CriticMaker] = Registry("critic")
Maker = TypeVar("Maker", bound=CriticMaker)


def register_critic(name: str) -> Callable[[Maker], Maker]:
    """Register a class or function that returns a module as the critic `--gan.critic NAME`.

    It is called with the keyword arguments that its signature names, out of `width`, `channels`, `image_size`,
    `num_classes` (0 without labels), `output_size` (numbers per score), `dropout`, `spectral`, `score_pool`. The module
    maps images (N, C, H, W) to a `CriticOutput`. Each row depends only on its own image: no batch norm.
    """

    def register(maker: Maker) -> Maker:
        CRITICS.add(name, maker)
        return maker

    return register


class CriticOutput(NamedTuple):
    """scores (N,), or (N, output_size) when that is over 1; features (N, F) or None; class_logits (N, K) or None."""

    scores: Tensor
    features: Tensor | None = None
    class_logits: Tensor | None = None

    def rows(self, start: int, stop: int | None = None) -> CriticOutput:
        """The outputs of rows `start` … `stop` of the batch."""
        return CriticOutput(*(None if value is None else value[start:stop] for value in self))  # type: ignore[arg-type]


class ImageBlock(nn.Module):
    """(N, channels, H, W) → (N, width, H/2, W/2): conv 3×3, ReLU, conv 3×3, mean pool; shortcut mean pool, conv 1×1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = biased_conv(channels, width, 3), biased_conv(width, width, 3)
        self.shortcut = biased_conv(channels, width, 1, GLOROT)

    def forward(self, x: Tensor) -> Tensor:
        return convolve_and_half(F.relu(self.conv1(x)), self.conv2) + self.shortcut(half(x))


class Block(nn.Module):
    """(N, C, H, W) → the same size, or half of it with `down`: ReLU, conv 3×3, ReLU, conv 3×3; shortcut conv 1×1."""

    def __init__(self, width: int, down: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = biased_conv(width, width, 3), biased_conv(width, width, 3)
        self.shortcut = biased_conv(width, width, 1, GLOROT) if down else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.conv1(F.relu(x)))
        if self.shortcut is None:
            return x + self.conv2(hidden)
        # The authors convolve, then pool. The two commute for a 1×1 convolution, and this order costs a quarter.
        return convolve_and_half(hidden, self.conv2) + self.shortcut(half(x))


@register_critic("resnet")
class Critic(nn.Module):
    """Images (N, channels, H, W) → `CriticOutput`.

    Image block; three pre-activation blocks (down, same, same), each followed by element-wise dropout; ReLU; spatial
    mean → features (CT-GAN's D_); linear → scores (D). No normalisation. Above 64 px more down blocks come before the
    dropout, so that the last map is at most 16 px wide (our choice). Halving rounds odd sizes up.

    Initial weights are uniform, as in CT-GAN's code: its "He" has variance 4/(fan_in + fan_out), not He's own 2/fan_in;
    shortcuts and linear layers have Glorot's, which is half of that (`nets.initialisation`). Biases start at zero.

    Dropout draws from torch's global random state, in the order of the blocks, so that a step within
    `runtime.rng.forked_rng` is a function of its seed. It is on in training mode and off in evaluation mode.

    Args:
        width: channels of every map, and number of features.
        channels, image_size: of the images.
        dropout: rates after the last three blocks.
        num_classes: K of the auxiliary classifier on the features; 0 for none.
        output_size: numbers per score (16 for `mmd`).
        spectral: spectral normalisation (Miyato et al. 2018) of every layer except the class head, whose logits must
            be unbounded.
        score_pool: `mean`, or `sum` for spectrally normalised critics (SN-GAN's and AutoGAN's code): every layer's
            gain is at most one, so a mean would keep the scores close to 0.
    """

    def __init__(
        self,
        *,
        width: int,
        channels: int,
        image_size: int,
        dropout: tuple[float, float, float] = NO_DROPOUT,
        num_classes: int = 0,
        output_size: int = 1,
        spectral: bool = False,
        score_pool: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        num_extra = max(0, math.ceil(math.log2(image_size / (4 * LARGEST_LAST_MAP))))
        self.image_block = ImageBlock(channels, width)
        self.extra = nn.Sequential(*(Block(width, down=True) for _ in range(num_extra)))
        self.blocks = nn.ModuleList(Block(width, down=k == 0) for k in range(3))
        self.dropouts = nn.ModuleList(nn.Dropout(rate) for rate in dropout)
        self.score = started(nn.Linear(width, output_size), GLOROT)
        self.score_pool = score_pool
        self.spectral = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))] if spectral else []
        for layer in self.spectral:
            spectral_norm(layer)
        self.classify = started(nn.Linear(width, num_classes), GLOROT) if num_classes else None

    def forward(self, images: Tensor) -> CriticOutput:
        with parametrize.cached():
            with torch.autocast(
                images.device.type, enabled=False
            ):  # norms in float32, whatever the precision of convolutions
                for layer in self.spectral:
                    _ = layer.weight
            return self._score(images)

    def _score(self, images: Tensor) -> CriticOutput:
        x = self.extra(self.image_block(images))
        for block, dropout in zip(self.blocks, self.dropouts, strict=True):
            x = dropout(block(x))
        x = F.relu(x)
        features = x.mean((2, 3))  # (N, width)
        pooled = features * (x.shape[2] * x.shape[3]) if self.score_pool == "sum" else features
        scores = self.score(pooled)  # (N, output_size)
        logits = self.classify(features) if self.classify is not None else None
        return CriticOutput(scores.squeeze(1), features, logits)  # squeeze does not change a size over 1


def make_critic(
    name: str,
    *,
    width: int,
    channels: int,
    image_size: int,
    num_classes: int,
    score_size: int,
    compares_features: bool,
    options: Mapping[str, Any],
) -> nn.Module:
    """The registered critic with this name; `UserError` if its output does not suit the training."""
    where = f"--gan.critic {name}"
    sizes = {"width": width, "channels": channels, "image_size": image_size, "num_classes": num_classes}
    plain = {"dropout": NO_DROPOUT, "spectral": False, "score_pool": "mean"}
    offered = {**sizes, "output_size": score_size, **plain, **options}
    critic = call_with(CRITICS.find(name, "--gan.critic"), offered, where)
    with torch.no_grad(), forked_rng(0, "trial of a critic"):
        output = critic.eval()(torch.zeros(2, channels, image_size, image_size))
    critic.train()
    _check_output(output, where, score_size, num_classes, compares_features)
    return critic


def _check_output(output: object, where: str, score_size: int, num_classes: int, compares_features: bool) -> None:
    """Raise `UserError` unless this training can use the critic's output for two images."""
    if not isinstance(output, CriticOutput):
        raise UserError(f"{where}: returns {type(output).__name__}; return a degas.CriticOutput")
    wanted = {"scores": (2,) if score_size == 1 else (2, score_size)}
    if num_classes:
        wanted["class_logits"] = (2, num_classes)
    for part, shape in wanted.items():
        value = getattr(output, part)
        if value is None or tuple(value.shape) != shape:
            found = "none" if value is None else f"{tuple(value.shape)}"
            takes = "output_size" if part == "scores" else "num_classes"
            raise UserError(f"{where}: {part} of two images are {found} but must be {shape}; follow {takes}")
    if compares_features and (output.features is None or output.features.ndim != 2):
        raise UserError(f"{where}: the objective compares features (N, F), but the critic returns none")
