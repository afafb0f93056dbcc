"""The store of a data set's pixels during training: on a GPU if there is enough room, else on the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from degas.runtime.transfer import to_device

CHUNK_IMAGES = 4096
RESIDENT_SHARE = 0.25  # the share of a GPU's free memory for pixels; our choice, the rest is for the networks


class Store:
    """`store(rows)` → the images of those rows, uint8 (B, C, H, W), on `device`.

    Args:
        images: uint8 (N, C, H, W).
        device: the device of the batches. The 50,000 images of CIFAR-10 take 150 MB; a GPU with four times that free
            holds all of them, else each batch is copied.
    """

    def __init__(self, images: np.ndarray, device: torch.device) -> None:
        self.device = device
        self._host = images
        self._resident = _moved(images, device) if _fits(images, device) else None

    def __call__(self, rows: np.ndarray) -> Tensor:
        if self._resident is not None:
            return self._resident[self.send(rows)]
        return self.send(self._host[rows])

    def send(self, values: np.ndarray) -> Tensor:
        """The same values on the device; the host does not wait for them."""
        return to_device(torch.from_numpy(np.ascontiguousarray(values)), self.device)


def _moved(images: np.ndarray, device: torch.device) -> Tensor:
    """Move a few images at a time, since they may be on disk, and copy them, since memory maps are read-only."""
    moved = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), CHUNK_IMAGES):
        moved[start : start + CHUNK_IMAGES] = torch.from_numpy(np.array(images[start : start + CHUNK_IMAGES]))
    return moved


def _fits(images: np.ndarray, device: torch.device) -> bool:
    if device.type == "cpu":
        return False  # the images lie on the host already
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else np.inf
    return images.nbytes <= RESIDENT_SHARE * free
