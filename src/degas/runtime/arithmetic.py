"""Plain float32 for a while, whatever the caller has chosen, and the caller's choice back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32(*, one_algorithm: bool = False) -> Iterator[None]:
    """Keeps convolutions and matrix products to float32: TF32, CUDA's default for convolutions, moves results by 1e-3.

    `torch.backends.cudnn.flags` does so for convolutions alone, and raises where operations differ in their precision.

    Args:
        one_algorithm: also the same one of cuDNN's algorithms every time.
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
    """Return the switches of each operation's precision; torch before 2.9 has one switch for all of cuDNN."""
    backends: Any = torch.backends  # the stubs of 2.13 do not know all of it
    if not hasattr(backends.cudnn, "conv"):
        return [(backends.cuda.matmul, "allow_tf32"), (backends.cudnn, "allow_tf32")]
    operations = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    operations += [backends.mkldnn.matmul, backends.mkldnn.conv]
    return [(operation, "fp32_precision") for operation in operations]


def _inherited(owner: Any, name: str, value: Any) -> bool:
    """Return whether an operation has the common precision; if written, it would not follow the next common change."""
    return name == "fp32_precision" and value == getattr(torch.backends, name)
