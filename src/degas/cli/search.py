"""`degas search`."""

from __future__ import annotations

from degas.cli.options import SearchOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas import api

    architecture = api.search(
        options.source,
        options.out,
        preset=options.preset,
        seed=options.seed,
        resume=options.resume,
        device=options.device,
        progress=not options.quiet,
        tracker=options.tracker,
        data_settings=options.data,
        space=options.space,
        search=options.search,
        command=command_line(),
    )
    from degas.cli.words import operations_in_words

    folder = options.out / "search"
    print(operations_in_words(architecture))
    print(f"architecture    {folder / 'architecture.json'}")
    print(f"drawing         {folder / 'architecture.png'}")
    print(f"reconstructions {folder / 'reconstructions.png'}")
