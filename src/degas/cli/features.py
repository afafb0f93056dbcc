"""`degas features train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from degas.cli.family import Command, Member, find_member
from degas.cli.tool_options import FeaturesTrainOptions as Options

__all__ = ["MEMBERS", "Options", "find_command", "main"]
MEMBERS = {"train": Member("train a small classifier on labelled images", lambda: Command(Options, main))}


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    return find_member("features", "a classifier to measure with", MEMBERS, arguments)


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.evaluation.extractors.train_classifier import train_classifier
    from degas.runtime.distributed import Engine

    images = load_images(options.source, options.data, options.out)
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
