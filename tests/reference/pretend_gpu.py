"""A GPU to pretend with: torch's `meta` device, on which operations have shapes and types and no values.

It shows two faults that a CPU cannot: tensors of two devices in one operation, which it refuses as a GPU does, and a
host that waits for its device, be it to read a value or to count rows (refused as well) or to copy one there in the
plain way (noted). Of autocast and of fused SGD it shows nothing.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from degas.runtime.distributed import Engine

META = torch.device("meta")


def pretend(patch: pytest.MonkeyPatch) -> Engine:
    """An engine on the device; torch is made to take it for one that has fused optimisers."""
    for module in (sys.modules["torch.optim.adam"], sys.modules["torch.optim.optimizer"]):
        patch.setattr(module, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"], raising=False)
    patch.setattr(torch, "_fused_sgd_", lambda *_args, **_options: None)  # which has no version without values
    autocast = torch.autocast

    def on_any_device(device_type: str, **options: Any) -> Any:
        return contextlib.nullcontext() if device_type == "meta" else autocast(device_type, **options)

    patch.setattr(torch, "autocast", on_any_device)
    engine = Engine(device="cpu")
    engine.device = META
    return engine


class Waits(TorchDispatchMode):
    """Within it, `found` grows by each operation for which the host waits for the device.

    Not by `torch.tensor(values, device=…)`, whose copy torch makes out of sight.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        crosses = len({tensor.device for tensor in given + made}) > 1
        queued = kwargs.get("non_blocking", False) or (func is torch.ops.aten.copy_.default and True in args[2:])
        # A number of the host's may take part in an operation of the device, as in `0.5 * x`.
        with_number = META in {t.device for t in given} and all(t.dim() == 0 for t in given if t.device != META)
        if crosses and not queued and not with_number:
            self.found.append(str(func))
        return result
