"""The critic: CT-GAN's residual network (its authors' CIFAR-10 code), with the options that other objectives need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from degas.errors import UserError
from degas.nets.critic_operations import build_critic_operation
from degas.nets.initialisation import GLOROT, started
from degas.runtime.registry import Registry, call_with, takes
from degas.runtime.rng import forked_rng
from degas.settings.training import ClassHead
from degas.space.critic import CriticLayout
from degas.space.find_critic import shipped_critic

NO_DROPOUT = (0.0, 0.0, 0.0)

CriticMaker = Callable[..., nn.Module]
CRITICS: Registry[CriticMaker] = Registry("critic")
Maker = TypeVar("Maker", bound=CriticMaker)


def register_critic(name: str) -> Callable[[Maker], Maker]:
    """Register a class or function that returns a module as the critic `--gan.critic NAME`.

    It is called with the keyword arguments that its signature names, out of `width`, `channels`, `image_size`,
    `num_classes` (0 without labels), `output_size` (numbers per score), `dropout`, `spectral`, `score_pool` and
    `class_head`. The module maps images (N, C, H, W) to a `CriticOutput`. Each row depends only on its own image: no
    batch norm. With classes and the head `projection` its `forward` also gets `labels` (N,).
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


@register_critic("resnet")
class Critic(nn.Module):
    """Images (N, channels, H, W), and with a projection labels (N,) in 0…K−1 → `CriticOutput`.

    The operations of a layout, one after the other (`nets.critic_operations`); ReLU; spatial mean → features (CT-GAN's
    D_); linear → scores (D). No normalisation. Element-wise dropout follows the last three operations besides the
    first one; a skip is none. Halving rounds odd sizes up.

    Without a layout it is the shipped `resnet`: a block that sees the images and halves; three pre-activation blocks
    (down, same, same), the ones with dropout. Above 64 px more down blocks come before those, so that the last map is
    at most 16 px wide (our choice).

    Initial weights are uniform, as in CT-GAN's code: its "He" has variance 4/(fan_in + fan_out), not He's own 2/fan_in;
    shortcuts and linear layers have Glorot's, which is half of that (`nets.initialisation`). Biases start at zero.

    Dropout draws from torch's global random state, in the order of the blocks, so that a step within
    `runtime.rng.forked_rng` is a function of its seed. It is on in training mode and off in evaluation mode.

    Args:
        width: channels of every map, and number of features.
        channels, image_size: of the images.
        dropout: rates after the last three operations.
        num_classes: K of the labels; 0 for none.
        output_size: numbers per score (16 for `mmd`).
        spectral: spectral normalisation (Miyato et al. 2018) of every layer except the classifier, whose logits must
            be unbounded.
        score_pool: `mean`, or `sum` for spectrally normalised critics (SN-GAN's and AutoGAN's code): every layer's
            gain is at most one, so a mean would keep the scores close to 0.
        class_head: with classes, `classifier` adds a linear layer to K logits beside the scores (AC-GAN); `projection`
            adds to an image's score a linear map of its pooled features that belongs to its label (Miyato & Koyama
            2018, there for scores of one number).
        layout: the stages and their operations; by default `resnet`.
        operations: modules in place of a layout's, such as the mixed ones of a search; the first one sees the images.
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
        class_head: ClassHead = "classifier",
        layout: CriticLayout | None = None,
        operations: Sequence[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if operations is None:
            operations = _operations(layout or shipped_critic("resnet"), image_size, channels, width)
        self.image_block, *built = operations
        num_last = min(len(built), len(dropout))
        self.extra = nn.Sequential(*built[: len(built) - num_last])
        self.blocks = nn.ModuleList(built[len(built) - num_last :])
        self.dropouts = nn.ModuleList(nn.Dropout(rate) for rate in dropout[len(dropout) - num_last :])
        self.score = started(nn.Linear(width, output_size), GLOROT)
        self.score_pool, self.output_size = score_pool, output_size
        projects = num_classes > 0 and class_head == "projection"
        self.project = started(nn.Linear(width, num_classes * output_size, bias=False), GLOROT) if projects else None
        self.spectral = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))] if spectral else []
        for layer in self.spectral:
            spectral_norm(layer)
        classifies = num_classes > 0 and not projects
        self.classify = started(nn.Linear(width, num_classes), GLOROT) if classifies else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> CriticOutput:
        with parametrize.cached():
            with torch.autocast(
                images.device.type, enabled=False
            ):  # norms in float32, whatever the precision of convolutions
                for layer in self.spectral:
                    _ = layer.weight
            return self._score(images, labels)

    def _score(self, images: Tensor, labels: Tensor | None) -> CriticOutput:
        x = self.extra(self.image_block(images))
        for block, dropout in zip(self.blocks, self.dropouts, strict=True):
            x = dropout(block(x))
        x = F.relu(x)
        features = x.mean((2, 3))  # (N, width)
        pooled = features * (x.shape[2] * x.shape[3]) if self.score_pool == "sum" else features
        scores = self.score(pooled)  # (N, output_size)
        if self.project is not None:
            scores = scores + self._of_labels(self.project(pooled), labels)
        logits = self.classify(pooled) if self.classify is not None else None
        return CriticOutput(scores.squeeze(1), features, logits)  # squeeze does not change a size over 1

    def _of_labels(self, projected: Tensor, labels: Tensor | None) -> Tensor:
        """(N, K · output_size) → (N, output_size): each row's part that belongs to its label."""
        if labels is None:
            raise ValueError("a critic with a projection scores images with their labels; give both")
        parts = projected.unflatten(1, (-1, self.output_size))  # (N, K, output_size)
        return parts.take_along_dim(labels[:, None, None], 1).squeeze(1)


def _operations(layout: CriticLayout, image_size: int, channels: int, width: int) -> list[nn.Module]:
    """A critic's operations in order; the first is a down operation. A skip is no operation."""
    stages = layout.at_size(image_size)
    first, *names = [name for stage in stages for name in (stage.down, *stage.normal) if name != "skip"]
    return [
        build_critic_operation(first, width, channels=channels),
        *(build_critic_operation(name, width) for name in names),
    ]


def make_critic(
    name: str,
    *,
    layout: CriticLayout | None = None,
    width: int,
    channels: int,
    image_size: int,
    num_classes: int,
    score_size: int,
    compares_features: bool,
    class_head: ClassHead = "classifier",
    options: Mapping[str, Any],
) -> nn.Module:
    """The registered critic with this name, or the one of `layout`; `UserError` if its output does not suit."""
    where = f"--gan.critic {name}"
    sizes = {"width": width, "channels": channels, "image_size": image_size, "num_classes": num_classes}
    plain = {"dropout": NO_DROPOUT, "spectral": False, "score_pool": "mean"}
    offered = {**sizes, "output_size": score_size, "class_head": class_head, **plain, **options}
    if layout is not None:
        layout.check_size(image_size, where)
    maker = CRITICS.find(name, "--gan.critic") if layout is None else partial(Critic, layout=layout)
    critic = call_with(maker, offered, where)
    projects = num_classes > 0 and class_head == "projection"
    if projects and not takes(critic.forward, "labels"):
        raise UserError(
            f"{where}: its forward takes no labels, which a projection needs; let it take labels (N,) after the "
            "images, or give --gan.class-head classifier and return class_logits"
        )
    trial = (
        torch.zeros(2, channels, image_size, image_size),
        *([torch.zeros(2, dtype=torch.long)] if projects else []),
    )
    with torch.no_grad(), forked_rng(0, "trial of a critic"):
        output = critic.eval()(*trial)
    critic.train()
    _check_output(output, where, score_size, 0 if projects else num_classes, compares_features)
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
