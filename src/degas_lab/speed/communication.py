"""The bytes that processes exchange in a step of a search and of a training: counted, not computed.

Two processes on this machine take a step together, while every collective call is counted: those of
`runtime.distributed`, and the buckets in which DistributedDataParallel reduces gradients. Bytes are the payload, what
one process contributes; `ring_bytes` gives what it sends.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import resolve_gan
from degas.gan.state import Steps
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SpaceSettings
from degas_lab.sizes import Sizes
from degas_lab.speed.bench import drawn_generator

NUM_RANKS = 2
KINDS = {"all_reduce": 0, "all_gather": 1, "broadcast": 0}  # function of torch.distributed → place of the payload


@dataclass
class Traffic:
    """Payload of one process, in bytes, and the number of calls."""

    all_reduce_bytes: int = 0
    all_gather_bytes: int = 0
    broadcast_bytes: int = 0
    num_calls: int = 0

    def add(self, kind: str, payload: Tensor) -> None:
        name = f"{kind}_bytes"
        setattr(self, name, getattr(self, name) + payload.numel() * payload.element_size())
        self.num_calls += 1

    def ring_bytes(self, num_ranks: int) -> float:
        """What each process sends in rings: 2 (n − 1)/n of a reduced payload, n − 1 times a gathered one."""
        return 2 * (num_ranks - 1) / num_ranks * self.all_reduce_bytes + (num_ranks - 1) * self.all_gather_bytes


def reduce_by_python(module: nn.Module) -> None:
    """Let DistributedDataParallel reduce its buckets by `torch.distributed.all_reduce`, not in C++."""
    if isinstance(module, nn.parallel.DistributedDataParallel):
        module.register_comm_hook(None, allreduce_hook)


@contextmanager
def counted(traffic: Traffic) -> Iterator[None]:
    """Inside the block, count every collective call of this process in `traffic`."""
    before = {kind: getattr(torch.distributed, kind) for kind in KINDS}

    def counting(kind: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            traffic.add(kind, arguments[KINDS[kind]])
            return before[kind](*arguments, **options)

        return call

    for kind in KINDS:
        setattr(torch.distributed, kind, counting(kind))
    try:
        yield
    finally:
        for kind, function in before.items():
            setattr(torch.distributed, kind, function)


def communication(sizes: Sizes, *, seed: int = 0) -> dict[str, Any]:
    """`search_step` and `training_step` by objective, each with its `Traffic`; `num_ranks` processes were asked.

    `sizes.batch_images` are those of one process.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    order = json.dumps({"sizes": asdict(sizes), "seed": seed})
    shared = {"WORLD_SIZE": str(NUM_RANKS), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "degas_lab.speed.communication", order],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(NUM_RANKS)
    ]
    try:
        said = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(process.returncode for process in processes):
        raise RuntimeError("the processes that exchange gradients have failed; their messages are above")
    return {"num_ranks": NUM_RANKS, **json.loads(said[0])}


def measure(sizes: Sizes, engine: Engine, seed: int) -> dict[str, Any]:
    """What `communication` returns, in one of its processes."""
    settings = sizes.search().model_copy(update={"schedule": "joint"})  # the default of degas search
    search = Search(sizes.images(seed), settings, SpaceSettings(), seed=seed, engine=engine)
    search.signal.start()
    traffic = Traffic()
    with counted(traffic):
        search.step(0)
    steps = {name: vars(_training_traffic(name, sizes, engine, seed)) for name in OBJECTIVES}
    return {"search_step": vars(traffic), "training_step": steps}


def _training_traffic(objective: str, sizes: Sizes, engine: Engine, seed: int) -> Traffic:
    """The second step of a training: in the first one buckets are still found."""
    num_images = sizes.batch_images
    given = GanSettings(objective=objective, width=sizes.width, batch_images=num_images)
    steps = Steps(drawn_generator(sizes, seed), sizes.images(seed), resolve_gan(given), seed=seed, engine=engine)
    for module in (steps.critic_loss, steps.wrapped_generator):
        reduce_by_python(module)
    steps.both(0)
    traffic = Traffic()
    with counted(traffic):
        steps.both(1)
    return traffic


def rows(found: dict[str, Any]) -> list[str]:
    """A line for each step, in words."""
    ranks = cast(int, found["num_ranks"])
    steps = {"search step": found["search_step"]}
    steps |= {f"training step, {name}": step for name, step in found["training_step"].items()}
    return [_in_words(name, Traffic(**step), ranks) for name, step in steps.items()]


def _in_words(name: str, traffic: Traffic, num_ranks: int) -> str:
    reduced, gathered = traffic.all_reduce_bytes / 1e6, traffic.all_gather_bytes / 1e6
    sent = traffic.ring_bytes(num_ranks) / 1e6
    return (
        f"{name:<24} all-reduce {reduced:8.3f} MB  gather {gathered:7.3f} MB  in {traffic.num_calls:>3} calls; "
        f"each of {num_ranks} processes sends {sent:.3f} MB"
    )


def main(order: str) -> None:
    given = json.loads(order)
    with Engine(device="cpu") as engine:
        found = measure(Sizes(**given["sizes"]), engine, given["seed"])
        if engine.is_main:
            print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
