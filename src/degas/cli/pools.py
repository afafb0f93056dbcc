"""Where trials run: the options of a command that has some, and the pool that they ask for. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from degas.cli.arguments import Argument
from degas.errors import UserError
from degas.settings.base import Positive, Settings, setting

LOCAL = "local"
ADDRESS = (
    "local: processes on this machine; auto: the Ray cluster to which this machine belongs, or its HOST:PORT, with "
    "the extra `sweep`"
)
Address = Annotated[str, Argument(rare=True)]
Cores = Annotated[int, Field(ge=1, le=1024)]
Gpus = Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)]


class Pooled(Settings):
    """Options of a command whose trials may run side by side."""

    processes: Annotated[Positive | None, Argument(rare=True)] = setting(
        None,
        "trials at a time, each in a process with its own cores; default: one after another in this process, or as "
        "many as a cluster has room for",
    )
    address: Address = setting(LOCAL, ADDRESS)
    cpus_per_trial: Annotated[Cores, Argument(rare=True)] = setting(
        1, "cores and threads of each trial that has a process"
    )
    gpus_per_trial: Annotated[Gpus, Argument(rare=True)] = setting(
        0.0, "GPUs of each trial that has a process; 0.25: four share one; 0: they compute on the CPU"
    )
    quiet: Annotated[bool, Argument(rare=True)] = setting(False, "no progress")


def wants_pool(options: Pooled) -> bool:
    """Return whether trials are to have processes. Raises `UserError` for options that count only then."""
    if options.processes is not None or options.address != LOCAL:
        return True
    names = ("cpus_per_trial", "gpus_per_trial")
    given = [name for name in names if getattr(options, name) != type(options).model_fields[name].default]
    if given:
        words = " ".join(f"--{name.replace('_', '-')}" for name in given)
        counts = "counts" if len(given) == 1 else "count"
        raise UserError(f"{words}: {counts} for trials in processes; give --processes as well")
    return False


def make_pool(options: Any, folder: Path) -> Any:
    """The local pool, or that of a Ray cluster, for trials whose files lie in `folder`.

    `options` has address, processes, cpus_per_trial and gpus_per_trial.
    """
    if options.address == LOCAL:
        from degas.sweep.pool import local_pool

        return local_pool(options.cpus_per_trial, options.processes, options.gpus_per_trial)
    if options.processes is not None:
        raise UserError("--processes: counts for --address local only; a cluster's cores decide; leave it out")
    from degas.sweep.on_ray import ray_pool

    return ray_pool(options.address, folder, options.cpus_per_trial, options.gpus_per_trial)
