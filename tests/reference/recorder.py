"""A recorder of steps for machines without a GPU, with a CUDA graph's rules: the same operations on the same memory.

It notes every operation below autograd while a step runs, and runs the list again: results are written over those of
the recording, views are left alone, in-place operations done again. What the host decided in between, a number that it
computed, a tensor that it made and filled, stays as it was. `item()` and operations whose results' size depends on
values are errors, as they are while a graph is captured. `tolist()` goes unseen (`pretend_gpu` refuses it), as do
copies from the host, streams and a graph's pool of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from degas.runtime.replay import Tensors

ATEN = torch.ops.aten
READS = {ATEN._local_scalar_dense.default, ATEN.equal.default}
READS |= {ATEN.nonzero.default, ATEN.masked_select.default, ATEN._unique2.default}


class OperationList(TorchDispatchMode):
    """Within it, what is called is done, and noted in `calls`: (operation, arguments, keywords, result)."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = func is ATEN.index.Tensor and any(tensor.dtype == torch.bool for tensor in tensors(args[1]))
        if func in READS or masks:
            raise RuntimeError(f"{func} reads a tensor while a step is recorded")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def again(self) -> None:
        for func, args, kwargs, result in self.calls:
            given = {tensor.untyped_storage().data_ptr() for tensor in tensors((args, kwargs))}
            results = tensors(result)
            aliases = [tensor.untyped_storage().data_ptr() in given for tensor in results]
            if results and all(aliases) and not func._schema.is_mutable:
                continue  # a view: its base has been written already
            for old, new, alias in zip(results, tensors(func(*args, **kwargs)), aliases, strict=True):
                if not alias:
                    old.detach().copy_(new)


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class ListRecorder:
    """For `replay.Replayed`, in place of `CudaGraphs`."""

    def __init__(self) -> None:
        self.num_recorded = 0

    def warm_up(self, run: Callable[[], Tensors]) -> Tensors:
        return run()

    def record(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        self.num_recorded += 1
        with OperationList() as operations:
            values = run()
        return operations.again, values


class NeverRecords(ListRecorder):
    """Runs every time anew, for what a replay should come to: on the same inputs, so with the same rounded rates."""

    def record(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        found = run()
        return lambda: found.update(run()), found
