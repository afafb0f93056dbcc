"""`degas evaluate`."""

from __future__ import annotations

from degas.cli.options import EvaluateOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.api import stages as api
    from degas.cli.text import scores_in_words

    settings = options.evaluate
    if options.inception_weights is not None:
        settings = settings.model_copy(update={"inception_weights": options.inception_weights})
    scores = api.evaluate(
        options.generator,
        options.source,
        options.out,
        images=options.images,
        preset=options.preset,
        seed=options.seed,
        device=options.device,
        progress=not options.quiet,
        data_settings=options.data,
        evaluate=settings,
        command=command_line(),
    )
    print(scores_in_words(scores))
    print(f"scores {options.out / 'evaluation' / 'scores.json'}")
