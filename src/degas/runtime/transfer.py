"""Copies from the host to a device, for which the host does not wait."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; the same object if it is there already.

    A plain `tensor.to(device)` waits until the GPU has finished its queue. A copy from pinned memory only joins the
    queue; torch keeps that memory until the copy is done.
    """
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
