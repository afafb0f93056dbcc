"""`degas search`."""

from __future__ import annotations

import json

from degas.cli.options import SearchOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    if options.dry_run:
        from degas.cli.dry_run import tell_search

        tell_search(options)
        return
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
    )
    from degas.cli.text import agreement_in_words, decisions_in_words, operations_in_words

    folder = options.out / "search"
    print(operations_in_words(architecture))
    print()
    if options.seeds is None:
        print(decisions_in_words(json.loads((folder / "pruning.json").read_bytes())))
    else:
        print(agreement_in_words(json.loads((folder / "agreement.json").read_bytes())))
    print()
    print(f"architecture    {folder / 'architecture.json'}")
    print(f"drawing         {folder / 'architecture.png'}")
    if options.seeds is None:
        print(f"reconstructions {folder / 'reconstructions.png'}")
    else:
        print(f"agreement       {folder / 'agreement.json'}, {folder / 'agreement.png'}")
