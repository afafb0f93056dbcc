"""The caller's torch settings are set aside while degas computes, so that results do not depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def plain_torch(*, keep_random_state: bool = False) -> Iterator[None]:
    """Gives torch the settings of a fresh process inside the block, and restores the caller's afterwards.

    These are float32 as default type, the CPU as default device, autograd on, no inference mode, no autocast, and no
    demand for deterministic algorithms. `keep_random_state` also restores the global generators. Use it as a decorator
    for a whole call, never around a `yield`, where the caller's code would run inside the block.
    """
    with ExitStack() as stack:
        if keep_random_state:
            stack.enter_context(torch.random.fork_rng(devices=_cuda_devices()))
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.are_deterministic_algorithms_enabled():
            warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
            stack.callback(torch.use_deterministic_algorithms, True, warn_only=warn_only)
            torch.use_deterministic_algorithms(False)
        yield


def _cuda_devices() -> list[int]:
    """The CUDA devices whose generators exist; asking for the others would start CUDA."""
    in_use = torch.cuda.is_available() and torch.cuda.is_initialized()
    return list(range(torch.cuda.device_count())) if in_use else []
