"""Processes, devices and precision: the one wrapper of accelerate, with everything that touches a process group."""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from degas.errors import UserError
from degas.runtime.environment import LAUNCHER, check_launcher, num_ranks
from degas.runtime.interrupts import Interrupted, Terminated
from degas.runtime.shares import Shares

# With Intel's AMX the second derivative of a convolution in bfloat16 is wrong for batches of 8 (torch 2.13), which a
# gradient penalty takes; without it, it is right. oneDNN reads this once, at its first operation.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
_DEVICES = ("auto", "cpu", "cuda")
# How long a rank waits for another: rank 0 evaluates alone, which may take longer than torch's 10 or 30 minutes.
# The launcher ends all ranks when one dies.
PATIENCE = timedelta(days=1)
VOTING_STEPS = 8
# Prefixes of the variables from which accelerate takes its number of processes and its device.
_LAUNCHERS = (
    "RANK",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "WORLD_SIZE",
    "MASTER_",
    "PMI_",
    "OMPI_COMM_",
    "MV2_COMM_",
    "MPI_LOCAL",
    "ACCELERATE_",
)
_store: torch.distributed.Store | None = None  # the launcher's, kept for the next engine of this process
_num_groups = 0


class Engine:
    """This process's device, its rank, and the few operations that involve the other ranks.

    One process needs no launcher and no environment variables. `torchrun` starts several, or on CUDA
    `accelerate launch --multi_gpu`; each rank takes its share of a batch, and gradients are means over the ranks.

    A critic with a gradient penalty is exact under one condition: one call of the prepared module computes its whole
    loss, penalty included, for one `backward`. So prepare a module whose forward computes the loss. Every parameter
    that requires a gradient must take part in it.

    Args:
        precision: "bfloat16" makes `autocast()` run convolutions and matrix products in bfloat16. Weights,
            optimisers and everything outside `autocast()` stay float32 either way.
        device: "auto" takes CUDA if there is any, else the CPU.

        begun_ranks: the number of processes that the run to resume began with; default: as many as now.

    Attributes:
        device: the device of this process.
        rank, num_ranks: the number of this process, from 0, and how many there are.
        is_main: whether this is rank 0.
        shares: this process's share of a batch.

    Raises:
        UserError: this machine has no such device.
    """

    def __init__(
        self,
        precision: Literal["float32", "bfloat16"] = "float32",
        device: str = "auto",
        begun_ranks: int | None = None,
    ) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs  # a second of imports
        from accelerate.state import AcceleratorState

        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision {precision!r} is neither 'float32' nor 'bfloat16'")
        self.precision = precision
        cpu = chosen_device(device).type == "cpu"
        check_launcher(cuda=not cpu)
        if not torch.distributed.is_initialized():
            # accelerate keeps the first engine's device for the whole process, which may use two devices in turn
            AcceleratorState._reset_state(reset_partial_state=True)
            if num_ranks() > 1:
                _join_group("gloo" if cpu else "nccl")
        # Buffers are not broadcast at every forward: training does not use running statistics, and one rank that
        # samples alone would wait for ever. static_graph stays off: it was silently wrong with a gradient penalty.
        ddp = DistributedDataParallelKwargs(broadcast_buffers=False)
        with nullcontext() if torch.distributed.is_initialized() else _no_launcher():
            self._accelerator = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[ddp])
        self.device: torch.device = _numbered(self._accelerator.device)
        self.rank: int = self._accelerator.process_index
        self.num_ranks: int = self._accelerator.num_processes
        self.is_main: bool = self.rank == 0
        self.shares = Shares(self.rank, self.num_ranks, begun_ranks or self.num_ranks)
        if self.num_ranks != num_ranks():
            raise UserError(
                f"the process group has {self.num_ranks} process(es), but the environment says {num_ranks()}; "
                f"start with torchrun, which sets {', '.join(LAUNCHER)} for each"
            )

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # after an error the other ranks may never arrive, and the launcher ends them; after a stop request all arrive
        if kind is None or issubclass(kind, Terminated | Interrupted):
            self.close()

    def prepare(self, module: nn.Module) -> nn.Module:
        """Moves `module` to the device, its 4-d weights to channels-last, and wraps it in DDP among several ranks.

        Values stay the same; on one process it is the same object. Build optimisers afterwards. DDP starts every
        rank from rank 0's weights and buffers.
        """
        module = module.to(self.device)
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._wrap(module) if self.num_ranks > 1 else module

    def unwrap(self, module: nn.Module) -> nn.Module:
        """The module that was given to `prepare`: for saving, sampling, and any forward without gradients."""
        return cast(nn.Module, module.module) if isinstance(module, nn.parallel.DistributedDataParallel) else module

    def autocast(self) -> AbstractContextManager:
        """Return the context for forwards and losses. With float32 it changes nothing."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def backward(self, loss: Tensor) -> None:
        """`loss.backward()`; DDP averages the gradients over the ranks on the way."""
        self._accelerator.backward(loss)

    def all_reduce_mean(self, tensors: Iterable[Tensor]) -> None:
        """Replaces each tensor by its mean over the ranks, in place; shapes and types are equal on every rank.

        For gradients of parameters outside DDP, logged losses, running statistics before saving. Floating point only.
        """
        groups: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            if not tensor.is_floating_point():
                raise TypeError(f"a mean over ranks needs floating point, not {tensor.dtype}")
            groups.setdefault(tensor.dtype, []).append(tensor.detach())
        if self.num_ranks == 1:
            return
        for group in groups.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in group])  # one message instead of hundreds
            torch.distributed.all_reduce(flat)
            flat /= self.num_ranks
            for tensor, mean in zip(group, flat.split([t.numel() for t in group]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def gather(self, tensor: Tensor) -> Tensor:
        """Every rank's rows, (N, …) → (N·num_ranks, …), in the order of ranks; the shape is equal on every rank."""
        if self.num_ranks == 1:
            return tensor
        rows = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(self.num_ranks)]
        torch.distributed.all_gather(rows, tensor.detach().contiguous())
        return torch.cat(rows)

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Writes rank 0's values into `tensor` on every rank and returns it; shape and type are equal on every rank."""
        if self.num_ranks > 1:
            torch.distributed.broadcast(tensor, src=0)
        return tensor

    def from_main(self, value: Any) -> Any:
        """Rank 0's `value`, a JSON value, on every rank."""
        if self.num_ranks == 1:
            return value
        data = json.dumps(value).encode() if self.is_main else b""
        size = self.broadcast(torch.tensor(len(data), device=self.device))
        text = torch.tensor(list(data) if self.is_main else [0] * int(size), dtype=torch.uint8, device=self.device)
        return json.loads(bytes(self.broadcast(text).tolist()))

    def any_rank(self, flag: bool) -> bool:
        """Return whether `flag` is set on any rank. The ranks wait for each other and for their devices."""
        if self.num_ranks == 1:
            return flag
        votes = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(votes)
        return bool(votes.item() > 0)

    def all_stop(self, asked: bool, step: int) -> bool:
        """Return whether to stop after `step`: all ranks stop at the same step, though a signal may reach only one.

        Several ranks vote only every `VOTING_STEPS` steps, since a vote waits for the device.
        """
        return asked if self.num_ranks == 1 else step % VOTING_STEPS == 0 and self.any_rank(asked)

    def _wrap(self, module: nn.Module) -> nn.Module:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, src=0)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # torch 2.13 renames broadcast_buffers; 2.11 has only this name
            return cast(nn.Module, self._accelerator.prepare_model(module))

    def wait(self) -> None:
        """Returns once every rank has arrived."""
        self._accelerator.wait_for_everyone()

    def close(self) -> None:
        """Ends the process group; the last call, harmless on one process. Drop prepared modules first.

        Gloo sometimes aborts at exit when a wrapped module outlives its group, hence the garbage collection.
        """
        if not torch.distributed.is_initialized():
            return
        self._accelerator.free_memory()
        gc.collect()
        self._accelerator.wait_for_everyone()
        self._accelerator.end_training()


def _join_group(backend: str) -> None:
    """Joins the launcher's other processes, with a separate prefix in the launcher's store for each engine.

    accelerate gives each engine the same names. A second engine (`degas run` makes one per stage) then finds the
    addresses of the first and calls ranks that have closed: seen in about every second try. The same happens after
    `torchrun --max-restarts` has started all processes again, whose launcher keeps its store.
    """
    global _store, _num_groups
    if _store is None:
        try:
            _store, _, _ = next(rendezvous("env://"))
        except torch.distributed.DistError as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            reason = " ".join(str(error).split())[:150]
            raise UserError(f"MASTER_ADDR:MASTER_PORT {where}: cannot reach the other processes ({reason})") from error
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = torch.distributed.PrefixStore(f"attempt-{attempt}/engine-{_num_groups}", _store)
    _num_groups += 1
    rank, num_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=num_ranks, timeout=PATIENCE)


@contextmanager
def _no_launcher() -> Iterator[None]:
    """Hides a launcher's leftover variables from accelerate, which would start a process group or fail."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_LAUNCHERS)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _numbered(device: torch.device) -> torch.device:
    """The device with its index, as its tensors have it: `cuda` is not equal to `cuda:0`."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def chosen_device(device: str) -> torch.device:
    """Return the device that `auto`, `cpu` or `cuda` means for this process; `UserError` if there is none."""
    if device not in _DEVICES:
        raise UserError(f"device {device!r}: choose from {', '.join(_DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda': torch sees no CUDA device here; use 'cpu' or 'auto'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
