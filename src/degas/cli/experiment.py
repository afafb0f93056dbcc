"""`degas experiment`."""

from __future__ import annotations

from degas.cli.options import ExperimentOptions as Options

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.experiments.found_vs_random import found_vs_random
    from degas.given import load_architecture
    from degas.runtime.distributed import Engine

    with Engine(options.search.precision, options.device) as engine:
        records = found_vs_random(
            load_architecture(options.architecture),
            load_images(options.source, options.data),
            options.search,
            options.out,
            engine=engine,
            seed=options.seed,
            num_random=options.num_random,
            num_equal=options.num_equal,
            num_epochs=options.num_epochs,
        )
    for kind in ("found", "random", "equal_size", "smallest", "biggest"):
        losses = sorted(record["loss"] for record in records.values() if record["kind"] == kind)
        if losses:
            print(f"{kind:<11} {losses[0]:.4f} to {losses[-1]:.4f}   ({len(losses)})")
