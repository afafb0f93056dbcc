"""Copies from the host to a device that the host does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; itself where it lies there already.

    A plain `tensor.to(device)` returns once a GPU has done everything asked of it before. From pinned memory the copy
    is one more thing in its queue; torch keeps that memory until it is done.
    """
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
