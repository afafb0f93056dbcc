"""Plain float32 inside a block, whatever the caller has chosen; the caller's choice returns afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32(*, one_algorithm: bool = False) -> Iterator[None]:
    """Keeps convolutions and matrix products in float32: TF32, CUDA's default for convolutions, moves results by 1e-3.

    `torch.backends.cudnn.flags` covers convolutions only, and raises if operations have different precisions.

    Args:
        one_algorithm: also make cuDNN use the same algorithm every time.
    """
    cudnn = torch.backends.cudnn
    before = [(owner, name, getattr(owner, name)) for owner, name in _switches()]
    kept = cudnn.enabled, cudnn.benchmark, cudnn.deterministic
    try:
        for owner, name, _ in before:
            setattr(owner, name, "ieee" if name == "fp32_precision" else False)
        cudnn.enabled = True
        if one_algorithm:
            cudnn.benchmark, cudnn.deterministic = False, True
        yield
    finally:
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = kept
        for owner, name, value in before:
            setattr(owner, name, "none" if _inherited(owner, name, value) else value)


def _switches() -> list[tuple[Any, str]]:
    """Return the precision switch of each operation; torch before 2.9 has one switch for all of cuDNN."""
    backends: Any = torch.backends  # the stubs of 2.13 are incomplete
    if not hasattr(backends.cudnn, "conv"):
        return [(backends.cuda.matmul, "allow_tf32"), (backends.cudnn, "allow_tf32")]
    operations = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    operations += [backends.mkldnn.matmul, backends.mkldnn.conv]
    return [(operation, "fp32_precision") for operation in operations]


def _inherited(owner: Any, name: str, value: Any) -> bool:
    """Return whether an operation inherits the common precision; once set, it would no longer follow it."""
    return name == "fp32_precision" and value == getattr(torch.backends, name)
