"""`degas search`."""

from __future__ import annotations

import json
from pathlib import Path

from degas.cli.options import SearchOptions as Options
from degas.cli.parse import command_line
from degas.cli.seeds import only_seed, seeds_ahead
from degas.space.architecture import Architecture

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    if options.dry_run:
        from degas.cli.dry_run import tell_search

        tell_search(options)
        return
    if only_seed() is not None:
        search_seed(options)
        return
    ahead = seeds_ahead(options)
    from degas.api import stages as api

    architecture = api.search(
        options.source,
        options.out,
        preset=options.preset,
        seed=options.seed,
        seeds=options.seeds,
        resume=options.resume,
        device=options.device,
        progress=not options.quiet,
        tracker=options.tracker,
        data_settings=options.data,
        space=options.space,
        search=options.search_settings(),
        command=command_line(),
        ahead=ahead,
    )
    tell_found(architecture, options.out / "search", several=options.seeds is not None)


def tell_found(architecture: Architecture, folder: Path, *, several: bool) -> None:
    """Print what a search found, how firmly, and the files of its folder; `several`: of several seeds."""
    from degas.cli import text

    print(text.operations_in_words(architecture))
    print()
    if several:
        print(text.agreement_in_words(json.loads((folder / "agreement.json").read_bytes())))
    else:
        print(text.decisions_in_words(json.loads((folder / "pruning.json").read_bytes())))
    for line in text.polishes_in_words(folder):
        print(line)
    print()
    print(f"architecture    {folder / 'architecture.json'}")
    print(f"drawing         {folder / 'architecture.png'}")
    if several:
        print(f"agreement       {folder / 'agreement.json'}, {folder / 'agreement.png'}")
    else:
        print("\n".join(text.pictures_in_words(folder)))


def search_seed(options: Options) -> None:
    """The search with one of the seeds, in a process that makes nothing else."""
    from degas.api.job import Job
    from degas.runtime.setup import Setup

    seed, seeds = only_seed(), options.seeds
    assert seed is not None
    assert seeds is not None
    setup = Setup(options.preset, options.device, not options.quiet, options.tracker, command_line())
    data, space, search = options.data, options.space, options.search_settings()
    job = Job(options.source, options.out, options.seed, setup, data_settings=data, space=space, search=search)
    job.search_seed(seed, seeds)
