"""Trials as tasks of a Ray cluster. The only module that imports Ray, which is the extra `sweep`.

Ray places trials, and runs those again whose worker or node has died; which trials run, and what follows from their
ends, is decided by the driver as on one machine. A task starts the trial's process and waits for it; the process ends
with its task, however that ends, and the next task resumes the run folder.

Nodes that see the sweep's folder work in it. Others work in a temporary folder, which is carried to the driver once a
minute and at the end, and from there to the node that resumes the trial.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.sweep.carrying import pack, recover, unpack
from degas.sweep.pool import POLL_SECONDS, STOP_SECONDS, Attempt, start_process, stop_processes
from degas.sweep.trial_process import Order

LOST_WORKERS = 100  # times that Ray runs a task again because its worker or node has died; not the trial's fault
CARRY_SECONDS = 60.0
CONNECT_SECONDS = 10.0
TOKEN = ".shared"
LOST = 1  # the exit status of a task that Ray gives up


@dataclass(frozen=True)
class Place:
    """The sweep's folder and the content of its token, by which a node knows whether it sees that folder."""

    folder: str
    token: str

    def is_seen(self) -> bool:
        try:
            return (Path(self.folder) / TOKEN).read_text() == self.token
        except OSError:
            return False


class RayPool:
    """Trials on the cluster that `ray.init` has connected to."""

    def __init__(self, folder: Path, cpus: int, gpus: float, *, carry: bool = False) -> None:
        """`carry`: treat every node as one that does not see the folder."""
        import ray

        self._ray, self._cpus, self._gpus, self._folder = ray, cpus, gpus, folder.absolute()
        token = uuid.uuid4().hex
        (self._folder / TOKEN).write_text(token)
        self._place = Place(str(self._folder), "" if carry else token)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), False
        )
        self._keeper = ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=here).remote(str(self._folder))
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": LOST_WORKERS}
        self._task = ray.remote(run_trial).options(**options)
        self._running: dict[Any, tuple[str, float]] = {}

    @property
    def num_places(self) -> int:
        """The trials that the cluster's present nodes take at a time; at least one, since nodes come and go."""
        there = self._ray.cluster_resources()
        found = int(there.get("CPU", 0) // self._cpus)
        return max(1, min(found, int(there.get("GPU", 0) / self._gpus + 1e-9)) if self._gpus > 0 else found)

    def has_room(self) -> bool:
        return len(self._running) < self.num_places

    def start(self, name: str, order: Order) -> None:
        visible = {} if self._gpus > 0 else {"CUDA_VISIBLE_DEVICES": ""}  # with GPUs, Ray has set it
        path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        reference = self._task.remote(vars(order), {**path, **visible}, vars(self._place), self._keeper)
        self._running[reference] = (name, time.monotonic())

    def ended(self, seconds: float) -> list[Attempt]:
        if not self._running:
            return []
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [self._end(reference) for reference in ready]

    def running(self) -> dict[str, float]:
        now = time.monotonic()
        return {name: now - begun for name, begun in self._running.values()}

    def stop(self) -> None:
        references = list(self._running)
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS)
        self._running.clear()
        self._ray.shutdown()

    def _end(self, reference: Any) -> Attempt:
        name, begun = self._running.pop(reference)
        try:
            status = int(self._ray.get(reference))
        except (self._ray.exceptions.RayError, OSError) as error:
            status = LOST
            logs = self._folder / "logs"
            logs.mkdir(exist_ok=True)
            with (logs / f"{name}.txt").open("a", encoding="utf-8") as log:
                log.write(f"{' '.join(str(error).split())}\n")
        return Attempt(name, status, time.monotonic() - begun)


class Keeper:
    """Keeps run folders of nodes that do not see the sweep's disk; an actor on the driver's node."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def put(self, name: str, package: bytes) -> None:
        unpack(package, *self._paths(name))

    def get(self, name: str) -> bytes:
        """The latest state of a trial; an empty package before its first."""
        run, log = self._paths(name)
        recover(run)
        return pack(run, log)

    def say(self, name: str, line: str) -> None:
        """Add a line to the log of a trial."""
        _, log = self._paths(name)
        log.parent.mkdir(exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self._folder / "runs" / name, self._folder / "logs" / f"{name}.txt"


def run_trial(order: Mapping[str, Any], environment: dict[str, str], place: Mapping[str, str], keeper: Any) -> int:
    """A task: run the order's process on this node, and return its exit status."""
    told, sweep = Order(**order), Place(**place)
    if sweep.is_seen():
        return _run(told, environment, lambda: None)
    name = Path(told.lock).name
    if not told.travels:
        return _refuse(name, sweep.folder, keeper)
    root = Path(tempfile.mkdtemp(prefix="degas-sweep-"))
    try:
        return _run_carried(told, environment, sweep.folder, name, root, keeper)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _refuse(name: str, folder: str, keeper: Any) -> int:
    """Say in the trial's log that its files do not travel to this node; another one may see the folder."""
    import ray

    told = f"degas: the node {socket.gethostname()} does not see {folder}; give an --out on a disk that all nodes share"
    ray.get(keeper.say.remote(name, told))
    return LOST


def _run_carried(order: Order, environment: dict[str, str], folder: str, name: str, root: Path, keeper: Any) -> int:
    """Run in `root` instead of the sweep's folder, from the kept state of the trial on."""
    import ray

    here = moved(order, folder, str(root))
    run = root / "runs" / name
    unpack(ray.get(keeper.get.remote(name)), run, Path(here.log))

    def carry() -> None:
        ray.get(keeper.put.remote(name, pack(run, Path(here.log))))

    try:
        return _run(here, environment, carry)
    finally:
        carry()


def _run(order: Order, environment: dict[str, str], carry: Any) -> int:
    process = start_process(order, environment)
    carried = time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)  # a cancelled task is interrupted here
            if time.monotonic() - carried > CARRY_SECONDS:
                carry()
                carried = time.monotonic()
        return process.returncode
    finally:
        stop_processes([process])


def moved(order: Order, folder: str, root: str) -> Order:
    """The order with every path in `folder` at its place in `root`, where it also works if its folder is not here."""

    def there(word: str) -> str:
        return root + word[len(folder) :] if word == folder or word.startswith(f"{folder}/") else word

    return replace(
        order,
        commands=[[there(word) for word in command] for command in order.commands],
        folder=order.folder if Path(order.folder).is_dir() else root,
        log=there(order.log),
        lock=there(order.lock),
    )


def ray_pool(address: str, folder: Path, cpus: int, gpus: float, *, carry: bool = False) -> RayPool:
    """Connect to a cluster; raises `UserError` without the extra, without a cluster, or if no node is large enough."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise UserError("--address: Ray is the extra `sweep`; in degas' folder: pip install -e '.[sweep]'") from None
    _reject_silent(address)
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.ERROR, namespace=f"degas-{uuid.uuid4().hex}"
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, str(error)) from None
    largest = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in largest):
        ray.shutdown()
        raise UserError(
            f"--cpus-per-trial, --gpus-per-trial: no node of the cluster has {cpus} cores and {gpus:g} GPUs; give less"
        )
    return RayPool(folder, cpus, gpus, carry=carry)


def _reject_silent(address: str) -> None:
    """Raise `UserError` if nothing answers at HOST:PORT: Ray itself would try for minutes, or end the process."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, said: str) -> UserError:
    return UserError(
        f"--address {address}: no Ray cluster answers ({' '.join(said.split())[:120]}); start one with "
        "`ray start --head`, or leave out --address for this machine alone"
    )
