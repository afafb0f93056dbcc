"""Activations that the backward pass computes again instead of keeping them: less memory for more time.

Chen et al. 2016, "Training deep nets with sublinear memory cost". The second pass is the first one again, on the same
inputs, so gradients are equal to the bit; batch norms move their running statistics in the first pass only.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from degas.nets.normalisation import BatchNorm, batch_norms


def recomputed(module: nn.Module, function: Callable[[], Tensor], again: Callable[[], Tensor] | None = None) -> Tensor:
    """Return `function()`, whose own activations the backward pass computes again from what it closes over.

    `module` holds the batch norms that the function calls. Its weights must be the same until the backward pass.
    `again` is called in the backward pass, if the function keeps something that would spare it work there.
    """
    if not torch.is_grad_enabled():  # nothing is kept anyway
        return function()
    passes = iter([function])

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), SecondPass(module)

    result: Tensor = checkpoint(lambda: next(passes, again or function)(), use_reentrant=False, context_fn=contexts)
    return result


class SecondPass:
    """Inside the block, batch norms do what they did when this was made, and their running statistics stay.

    They keep to their kind of pass: one that moves no buffers saves other tensors for its gradient.
    """

    def __init__(self, module: nn.Module) -> None:
        self.norms: list[tuple[Any, str, bool]] = []
        for norm in batch_norms(module):
            switch = "update_buffers" if isinstance(norm, BatchNorm) else "track_running_stats"
            self.norms.append((norm, switch, getattr(norm, switch)))
        self._before: list[tuple[Any, str, bool, float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        self._before = [(norm, switch, *_state(norm, switch)) for norm, switch, _ in self.norms]
        for norm, switch, then in self.norms:
            setattr(norm, switch, then)
            norm.momentum = 0.0

    def __exit__(self, *error: object) -> None:
        for norm, switch, now, momentum, count in self._before:
            setattr(norm, switch, now)
            norm.momentum = momentum
            if count is not None:
                norm.num_batches_tracked.copy_(count)


def _state(norm: Any, switch: str) -> tuple[bool, float | None, Tensor | None]:
    count = getattr(norm, "num_batches_tracked", None)  # torch's own batch norms count their passes
    return getattr(norm, switch), norm.momentum, None if count is None else count.clone()
