"""Feature extractors: uint8 images → features, and logits if the network has classes.

Every extractor defines its resize rule, its name in the protocol string and the fingerprint of its weights. Its name is
part of every score's name, so that no column mixes scores of two extractors.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from degas.runtime.fingerprint import fingerprint_of


class Extracted(NamedTuple):
    """The output of an extractor for a batch: features (N, D) and, if it has classes, logits (N, K); float32."""

    features: Tensor
    logits: Tensor | None


class Extractor(nn.Module):
    """Base of all extractors: a frozen network behind one resize rule.

    A subclass sets the attributes below and implements `facts`, `prepare` and `extract`.
    """

    name: str  # the name in the protocol's brackets: `imagenet`, `imagenet-224`, `inception`, `classifier`
    num_features: int  # D
    has_inception_score: bool = False  # its logits give the Inception Score (the 2015-12-05 network only)
    has_classifier_score: bool = False  # its logits give `classifier_score`, never IS
    label_smoothing: float = 0.0  # ε of its training, which lowers the largest probability that it gives to 1 − ε + ε/K
    class_names: tuple[str, ...] = ()  # of its logits, if they are classes of the data

    @cached_property
    def card(self) -> dict[str, Any]:
        """Facts that scores.json holds with each score and that key the cache (plain JSON values)."""
        return {"name": self.name, **self.facts(), "weights": fingerprint_of(self)}

    def facts(self) -> dict[str, Any]:
        """Network, layer and resize rule in words."""
        raise NotImplementedError

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) → the network's input, float32 (N, 3, S, S)."""
        raise NotImplementedError

    def extract(self, prepared: Tensor) -> Extracted:
        """The network itself."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Extracted:
        """uint8 (N, C, H, W), C of 1 or 3 → `Extracted`; raises `TypeError` for any other dtype.

        Float images are rejected: a wrong guess of their range would give wrong features without an error.
        """
        if images.dtype != torch.uint8 or images.dim() != 4:
            raise TypeError(f"extractors take uint8 images (N, C, H, W), got {images.dtype} {tuple(images.shape)}")
        return self.extract(self.prepare(images))

    def train(self, mode: bool = True) -> Extractor:
        """Stay in evaluation mode: batch norm in training mode would mix the images of a batch."""
        del mode
        return super().train(False)


def to_colour(images: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) → (N, 3, H, W): a grey image is repeated to three channels."""
    if images.shape[1] not in (1, 3):
        raise ValueError(f"images have {images.shape[1]} channels; extractors take 1 or 3")
    return images.expand(-1, 3, -1, -1)


def freeze(extractor: Extractor) -> Extractor:
    """Evaluation mode, no gradients, channels-last weights (1.3 × faster on CPUs)."""
    extractor.requires_grad_(False)
    return extractor.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def device_of(module: nn.Module) -> torch.device:
    """Return the device of the module's tensors."""
    return next(iter(module.state_dict().values())).device


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
