"""`degas features train`."""

from __future__ import annotations

from degas.cli.options import FeaturesOptions as Options

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.evaluation.train_classifier import train_classifier
    from degas.runtime.distributed import Engine

    images = load_images(options.source, options.data)
    accuracy = train_classifier(
        images,
        options.out,
        seed=options.seed,
        num_epochs=options.num_epochs,
        precision=options.precision,
        device=Engine(device=options.device).device,
        progress=not options.quiet,
    )
    print(f"held-out accuracy {accuracy:.2%}")
    print(f"classifier {options.out}; use it with --evaluate.extractor classifier --evaluate.classifier {options.out}")
