"""`degas experiment extractors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import SOURCE, Folder, Source
from degas.settings.base import Positive, Settings, setting
from degas.settings.sections import DataSettings, EvaluateSettings

__all__ = ["Options", "main"]


class Options(Settings):
    """Test metrics per extractor: real images against real images, and against images damaged in known ways.

    Finished rows are kept as small JSON files, and a second call continues. `imagenet` comes with its untrained twin.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment extractors --data my-images --out runs/extractors",
        "degas experiment extractors --data my-images --out runs/extractors --counts 1000 --num-damaged 1000",
    )
    source: Source = setting(..., SOURCE + "; with class labels")
    out: Folder = setting(..., "folder of the rows")
    extractor: Literal["imagenet", "inception", "classifier"] = setting("imagenet", "network for the features")
    resize_pixels: Literal[128, 224] = setting(128, "input side of the imagenet extractor")
    classifier: Path | None = setting(None, "folder of a trained classifier (default: none)")
    counts: Annotated[tuple[Positive, ...], Field(min_length=1)] = setting((1000, 5000, 10000), "images of the floors")
    num_damaged: Positive = setting(5000, "images of the damaged rows")
    seed: int = setting(0, "seed of splits and damages")


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas_lab.extractor_sanity import format_table, sanity_tables

    settings = EvaluateSettings(
        extractor=options.extractor, resize_pixels=options.resize_pixels, classifier=options.classifier
    )
    tables = sanity_tables(
        load_images(options.source, DataSettings()),
        settings,
        options.out,
        counts=options.counts,
        num_damaged=options.num_damaged,
        seed=options.seed,
    )
    print(format_table(tables), end="")
