"""The record of a run's environment: everything besides settings and seed that its numbers can depend on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from degas.errors import UserError
from degas.runtime.json_files import read_config, write_json

LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def write_environment(path: Path, command: list[str]) -> None:
    """Writes environment.json into the folder `path` (or to `path` itself if it names a .json file).

    It holds versions, machine, threads, device and the command. Among several ranks only rank 0 writes.
    """
    import torch

    cuda = torch.cuda.is_available()
    record = {
        "degas": _version("degas-nas"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "accelerate": _version("accelerate"),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "num_cpus": os.cpu_count(),
        "num_threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "num_devices": torch.cuda.device_count() if cuda else 0,
        "num_ranks": num_ranks(),
        "command": [str(word) for word in command],
    }
    target = Path(path) if Path(path).suffix == ".json" else Path(path) / "environment.json"
    if is_rank_0():
        write_json(target, record)


def is_rank_0() -> bool:
    """Return whether this is rank 0, by the launcher's variables: it needs no process group."""
    rank = os.environ.get("RANK", "0")
    return not (rank.isdigit() and num_ranks() > 1 and int(rank) > 0)


def num_ranks() -> int:
    """Return the number of processes that the launcher started; 1 without a launcher."""
    ranks = os.environ.get("WORLD_SIZE", "1")
    return max(1, int(ranks)) if ranks.isdigit() else 1


def ranks_at_start(path: Path, resume: bool) -> int:
    """The number of processes that the run in the stage's folder `path` began with; for a new one, that of now."""
    config = path / "config.json"
    if not resume or not config.is_file():
        return num_ranks()
    found = read_config(config).get("num_ranks", 1)
    return found if type(found) is int and found > 0 else 1


def check_launcher(*, cuda: bool = False) -> None:
    """Raise `UserError` if WORLD_SIZE announces several processes and the launcher's other variables are incomplete.

    A single process ignores leftover variables. `cuda`: LOCAL_RANK chooses the device, so it is needed too.
    """
    if num_ranks() == 1:
        return
    needed = ["RANK", "MASTER_ADDR", "MASTER_PORT", *(["LOCAL_RANK"] if cuda else [])]
    mend = f"start with torchrun, which sets {', '.join(LAUNCHER)}, or unset WORLD_SIZE for one process"
    if missing := [name for name in needed if not os.environ.get(name)]:
        raise UserError(
            f"WORLD_SIZE says {num_ranks()} processes, but these variables are not set: {', '.join(missing)}; {mend}"
        )
    for name, below in (("RANK", num_ranks()), ("MASTER_PORT", 1 << 16), ("LOCAL_RANK", num_ranks())):
        value = os.environ.get(name, "0")
        if not value.isdigit() or int(value) >= below:
            raise UserError(f"{name} is {value!r}, not a number from 0 to {below - 1}; {mend}")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine() or sys.platform
