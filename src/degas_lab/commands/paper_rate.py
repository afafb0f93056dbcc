"""`degas experiment paper-rate`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import SOURCE, Folder, Source
from degas.settings.base import Positive, Settings, setting
from degas.settings.sections import DataSettings

__all__ = ["Options", "main"]


class Options(Settings):
    """Find which rates of the paper's SGD train a search, and where the latents' gradient vanishes with the others.

    Finished trials are kept as small JSON files, and a second call continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment paper-rate --data my-images --out runs/rates",
        "degas experiment paper-rate --data my-images --out runs/rates --only literal no-momentum",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the trials")
    num_images: Positive = setting(3200, "images of the source to use")
    seed: int = setting(0, "seed of every trial")
    only: tuple[str, ...] = setting((), "names of trials (default: all)")


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.errors import UserError, nearest
    from degas_lab.fits.paper_rate import TRIALS, format_table, measure

    for name in options.only:
        if name not in TRIALS:
            raise UserError(f"--only: unknown trial {name!r}{nearest(name, TRIALS)}")
    images = load_images(options.source, DataSettings(max_images=options.num_images))
    names = options.only or tuple(TRIALS)
    print(format_table(measure(images, options.out, names, seed=options.seed)), end="")
