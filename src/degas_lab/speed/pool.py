"""One training per core: how many times the throughput of one do they have together?

Each process is pinned to a core of its own and has one thread, as in the pool of `degas sweep`. Rounds alternate: the
first process takes steps alone, then all take steps at a time.

    python -m degas_lab.speed.pool CORE OBJECTIVE SEED SIZES    is one process; it takes a step for every line on stdin.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import torch

from degas.errors import UserError
from degas.runtime.cores import allowed_cores
from degas.runtime.distributed import Engine
from degas_lab.sizes import Sizes

WARM_UP = 2  # rounds that are not counted


def throughput(sizes: Sizes, *, objective: str, rounds: int, seed: int) -> dict[str, float]:
    """`alone_ms` and `ours_ms` (together) of a training step, `num_processes`, and the `speedup` in throughput.

    Raises:
        UserError: there is only one core, or a process fails.
    """
    cores = allowed_cores()
    if len(cores) < 2 or not hasattr(os, "sched_setaffinity"):
        raise UserError("--parts pool: needs two cores, and a system that can pin a process to one; leave it out")
    alone: list[float] = []
    together: list[float] = []
    with _processes(cores, sizes, objective, seed) as processes:
        for number in range(WARM_UP + rounds):
            for group, times in ((processes[:1], alone), (processes, together)):
                seconds = statistics.fmean(_step(group))
                if number >= WARM_UP:
                    times.append(1e3 * seconds)
    one, all_of_them = statistics.median(alone), statistics.median(together)
    return {
        "ours_ms": all_of_them,
        "alone_ms": one,
        "num_processes": len(cores),
        "speedup": len(cores) * one / all_of_them,
    }


@contextlib.contextmanager
def _processes(cores: Sequence[int], sizes: Sizes, objective: str, seed: int) -> Iterator[list[subprocess.Popen[str]]]:
    """A process per core, ready to take steps; they end with the block."""
    module, environment = [sys.executable, "-m", __name__], {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = []
    try:
        for core in cores:
            call = [*module, str(core), objective, str(seed), json.dumps(vars(sizes))]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            processes.append(subprocess.Popen(call, env=environment, text=True, bufsize=1, **pipes))  # type: ignore
        for process in processes:
            _answer(process)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _step(processes: Sequence[subprocess.Popen[str]]) -> list[float]:
    """Seconds of a step of each process, all at a time."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
    return [float(_answer(process)) for process in processes]


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise UserError("--parts pool: a process has ended before its time; its message is above")
    return line


def serve(core: int, objective: str, seed: int, sizes: Sizes) -> None:
    """Take a step for every line on standard input, and print its seconds."""
    from degas_lab.speed.training_steps import TrainingSteps

    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    with Engine("float32", "cpu") as engine:
        step = TrainingSteps(sizes, rounds=1, seed=seed, engine=engine)._our_training_step(objective)
        print("ready", flush=True)
        for _ in sys.stdin:
            begun = time.perf_counter()
            step()
            print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    serve(int(given[0]), given[1], int(given[2]), Sizes(**json.loads(given[3])))
