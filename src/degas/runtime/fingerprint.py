"""The identity of a module's weights: a digest of their values, whatever file they came from."""

from __future__ import annotations

import hashlib

from torch import nn


def fingerprint_of(module: nn.Module) -> str:
    """SHA-256 (first 16 hex digits) of all tensors of `module` with their names, shapes and types."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
