"""`degas search --seeds N` with processes: each runs the same command for one of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from degas.cli.current import current_words
from degas.cli.options import SearchOptions
from degas.cli.pools import make_pool, wants_pool
from degas.errors import UserError

if TYPE_CHECKING:
    from degas.nas.stage import Ahead

MAIN = "degas.cli.seeds:search_one"
FOLDER = "processes"  # of logs and locks, in the search's folder
_ONLY: ContextVar[int | None] = ContextVar("seed", default=None)


def only_seed() -> int | None:
    """The seed for which alone this process runs the command; None in the driver and without processes."""
    return _ONLY.get()


def seeds_ahead(options: SearchOptions) -> Ahead | None:
    """What makes the searches side by side, if `options` ask for it; raises `UserError` for one search alone."""
    if not wants_pool(options):
        return None
    from degas.runtime.environment import num_ranks

    name = "--processes" if options.processes is not None else "--address"
    if options.seeds is None:
        raise UserError(f"{name}: counts for the searches of --seeds; give --seeds as well, or leave {name} out")
    if num_ranks() > 1:
        raise UserError(f"{name}: each search has one process; start without a launcher such as torchrun")
    return partial(_search_all, options, current_words())


def _search_all(options: SearchOptions, words: Sequence[str], stage: Path, seeds: Sequence[int]) -> None:
    """Make the searches with `seeds` in `stage`/seed-N; raise `UserError` if one of them could not be made."""
    from degas.sweep.orders import order_in, run_orders

    if not seeds:
        return
    folder = stage.absolute() / FOLDER
    orders = {
        f"seed-{seed}": order_in(folder, f"seed-{seed}", [str(seed), *words], threads=options.cpus_per_trial, main=MAIN)
        for seed in seeds
    }
    failed = run_orders(folder, orders, partial(make_pool, options, folder), quiet=options.quiet)
    if failed:
        name, why = next(iter(failed.items()))
        raise UserError(f"{len(failed)} of {len(seeds)} searches failed; {name}: {why}; continue with --resume")


def search_one(words: Sequence[str]) -> int:
    """Run `degas search` for one seed: the seed, then the command's words; return the exit status."""
    from degas.cli.main import main

    seed, *rest = words
    token = _ONLY.set(int(seed))
    try:
        return main(rest)
    finally:
        _ONLY.reset(token)
