"""Copies from the host to a device that the host does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, the same strides; itself where it lies there already.

    A plain `tensor.to(device)` returns once a GPU has done everything asked of it before. From pinned memory the copy
    is one more thing in its queue; torch keeps that memory until it is done.
    """
    if tensor.device == device:
        return tensor
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
