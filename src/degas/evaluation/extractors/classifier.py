"""A small classifier trained on the data itself: the extractor for labelled images other than photographs.

`degas features train --data SRC` writes one. Its features are the inputs of its last layer. Its card, which scores.json
holds with every score, gives its held-out accuracy, because a score is only as good as its network. The score from its
logits is `classifier_score`, never IS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from degas.errors import UserError, unreadable
from degas.evaluation.extractors.base import Extracted, Extractor, to_colour
from degas.runtime.durable import replace_file, writing
from degas.runtime.fingerprint import fingerprint_of

VERSION = 1
LABEL_SMOOTHING = 0.1  # of its training (Szegedy et al. 2016)
WIDTHS = (32, 128, 256)  # of the three blocks; the last is the number of features
LOGIT_SCALE = 1 / 9  # keeps the first logits small, whatever the features' size (Jordan 2024)
_REMEDY = "make it again with `degas features train --data SRC --out FOLDER`"


class _Block(nn.Module):
    """conv3, max pool 2, BN, GELU, conv3, BN, GELU: (N, C, H, W) → (N, width, H/2, W/2)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        # A map below 4 px keeps its odd last row, so that images of 8 px allow three pools.
        x = F.gelu(self.norm1(F.max_pool2d(x, 2, ceil_mode=x.shape[2] < 4)))
        return F.gelu(self.norm2(self.conv2(x)))


class ClassifierNetwork(nn.Module):
    """Pixels float (N, C, S, S), S ≥ 8 → features (N, 256) and logits (N, K).

    A fixed 2×2 convolution whitens patches (Page 2019); three blocks and the maximum over positions follow. The layout
    is that of Jordan's *94 % on CIFAR-10 in 3.29 seconds* (2024) at a third of its width, for two cores.
    """

    def __init__(self, channels: int, num_classes: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        filters = 2 * 4 * channels
        self.whiten = nn.Conv2d(channels, filters, 2)
        self.whiten.weight.requires_grad_(False)
        self.blocks = nn.ModuleList(_Block(a, b) for a, b in zip([filters, *widths], widths, strict=False))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = F.gelu(self.whiten(pixels))
        for block in self.blocks:
            x = block(x)
        features = x.amax(dim=(2, 3))  # (N, 256)
        return features, self.head(features) * LOGIT_SCALE

    @torch.no_grad()
    def set_whitening(self, pixels: Tensor, eps: float = 5e-4) -> None:
        """Set the first layer to ± the whitened principal directions of 2×2 patches of `pixels` (N, C, H, W)."""
        patches = F.unfold(pixels, 2).transpose(1, 2).flatten(0, 1).double()  # (positions, 4 C)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        directions = (vectors / (values + eps).sqrt()).T.reshape(-1, *self.whiten.weight.shape[1:])
        self.whiten.weight.copy_(torch.cat([directions, -directions]))
        nn.init.zeros_(self.whiten.bias)  # type: ignore[arg-type]


def to_pixels(images: Tensor) -> Tensor:
    """uint8 → float32 of about unit variance: (x − 127.5)/64."""
    return (images.float() - 127.5) / 64


class ClassifierExtractor(Extractor):
    """Features before the last layer, and logits. Resize rule: none; images must have the size of its training."""

    name = "classifier"
    has_classifier_score = True
    label_smoothing = LABEL_SMOOTHING

    def __init__(self, network: ClassifierNetwork, config: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.num_features = config["widths"][-1]
        self.class_names = tuple(map(str, config.get("class_names", ())))

    @classmethod
    def load(cls, folder: Path) -> ClassifierExtractor:
        """Read a folder written by `save_classifier`; raises `UserError` if it is not one or is damaged."""
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"--evaluate.classifier: {folder / name} is missing; {_REMEDY}")
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            network = ClassifierNetwork(config["channels"], len(config["class_names"]), config["widths"])
            network.load_state_dict(load_file(folder / "model.safetensors"))
            return cls(network, config)
        except OSError as error:
            raise unreadable(error.filename or folder, error) from error
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"--evaluate.classifier: {folder} holds no classifier ({reason}); {_REMEDY}") from error

    @property
    def fingerprint(self) -> str:
        """Fingerprint of all that decides its scores: weights, sizes, class names. A moved copy has the same one."""
        decides = [self.config.get(key) for key in ("channels", "image_size", "class_names")]
        return hashlib.sha256(json.dumps([fingerprint_of(self), *decides]).encode()).hexdigest()[:16]

    def facts(self) -> dict[str, Any]:
        accuracy = {key: self.config[key] for key in ("held_out_accuracy", "num_held_out", "num_train")}
        return {"network": "classifier", "layer": f"pooled, {self.num_features}", "resize": "none", **accuracy}

    def prepare(self, images: Tensor) -> Tensor:
        size, channels = self.config["image_size"], self.config["channels"]
        if images.shape[2:] != (size, size) or images.shape[1] > channels:
            raise UserError(
                f"--evaluate.classifier: trained on {channels}×{size} px images, these have {images.shape[1]}×"
                f"{images.shape[2]}; train one on this data with `degas features train`"
            )
        images = to_colour(images) if channels == 3 else images
        return to_pixels(images).contiguous(memory_format=torch.channels_last)

    def extract(self, prepared: Tensor) -> Extracted:
        return Extracted(*self.network(prepared))


def save_classifier(network: ClassifierNetwork, config: dict[str, Any], folder: Path) -> None:
    """Write model.safetensors, then config.json; without it the folder does not count as a classifier."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with writing(folder):
        folder.mkdir(exist_ok=True)
        (folder / "config.json").unlink(missing_ok=True)
        replace_file(folder / "model.safetensors", save(tensors))
        replace_file(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
