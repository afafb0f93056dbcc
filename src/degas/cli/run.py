"""`degas run`: every stage in order. A finished stage is skipped, an unfinished one is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from degas.cli.options import RunOptions as Options
from degas.cli.parse import command_line

if TYPE_CHECKING:
    from degas.api.whole_run import Finished

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    if options.dry_run:
        from degas.cli.dry_run import tell_run

        tell_run(options)
        return
    from degas.api.whole_run import run

    print(f"loading {options.source}")
    finished = run(
        options.source,
        options.out,
        architecture=options.architecture,
        init=options.init,
        preset=options.preset,
        seed=options.seed,
        seeds=options.seeds,
        device=options.device,
        progress=not options.quiet,
        tracker=options.tracker,
        data_settings=options.data,
        space=options.space,
        search=options.search_settings(),
        gan=options.gan,
        evaluate=options.evaluate,
        command=command_line(),
        told=tell_stage,
    )
    if finished.report is not None:
        tell_end(options, finished)


def tell_stage(stage: str, value: Any) -> None:
    """Print the heading of a stage, or the result of the previous one."""
    from degas.cli.text import operations_in_words

    if stage == "images":
        print(f"{value.num_images:,} images, {value.channels}×{value.image_size}×{value.image_size}\n")
    elif stage == "architecture":
        print(operations_in_words(value), "\n")
    else:
        print({"search": "1. search", "train": "2. train", "evaluate": "\n3. evaluate"}.get(stage, _LAST))


_LAST = "\n4. sample and report"


def tell_end(options: Options, finished: Finished) -> None:
    from degas.cli.text import scores_in_words

    print()
    print(scores_in_words(finished.scores or {"scores": {}}))
    print(f"parameters      {finished.generator.num_parameters:,}")
    if options.init:
        print(f"fine-tuned from {options.init}")
    else:
        print(f"architecture    {options.architecture or options.out / 'search' / 'architecture.json'}")
    print(f"generator       {options.out / 'train' / 'generator'}")
    print(f"samples         {options.out / 'samples.png'}")
    print(f"report          {finished.report}")
    for warning in finished.warnings:
        print(f"warning         {warning}")
