"""A driver of stub trials, as a process that tests can kill: `python stub_sweep.py FILE DIR [ADDRESS]`."""

from __future__ import annotations

import sys
from pathlib import Path

from degas.cli.main import _fail
from degas.errors import UserError
from degas.runtime.interrupts import Interrupted, Terminated
from degas.sweep.drive import Setup, run_sweep
from degas.sweep.pool import LocalPool, Place, Pool
from degas.sweep.sweep_file import read_sweep

KNOWN = {"run": frozenset({"steps", "pause", "ends", "seed", "width", "rate", "gan.stop-step", "gan.num-steps"})}
SETUP = Setup(KNOWN, main="stub_trial:main")


def two_places() -> Pool:
    return LocalPool([Place(()), Place(())])


def main(file: str, folder: str, address: str = "") -> int:
    def pool() -> Pool:
        if not address:
            return two_places()
        from degas.sweep.on_ray import ray_pool

        return ray_pool(address, Path(folder), 1, 0.0)

    try:
        run_sweep(read_sweep(Path(file)).plan, Path(folder), SETUP, pool)
    except UserError as error:
        return _fail(str(error), 2)
    except (Interrupted, Terminated) as stopped:
        return stopped.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
