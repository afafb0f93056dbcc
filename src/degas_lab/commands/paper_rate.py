"""`degas experiment paper-rate`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import SOURCE, Folder, Source
from degas.cli.pools import Pooled
from degas.settings.base import Positive, Width, setting
from degas.settings.sections import DataSettings

__all__ = ["Options", "main"]


class Options(Pooled):
    """Find which rates and momentum of the paper's SGD train a search, and where others make the gradient vanish.

    Finished trials are kept as small JSON files, and a second call continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment paper-rate --data my-images --out runs/rates",
        "degas experiment paper-rate --data my-images --out runs/rates --only literal no-momentum glo",
        "degas experiment paper-rate --data my-images --out runs/small --num-images 640 --data.image-size 16 "
        "--width 16 --num-epochs 50",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the trials")
    num_images: Positive = setting(3200, "images of the source to use")
    width: Width = setting(32, "channels of the supernet")
    num_epochs: Positive = setting(4, "passes over the images; each visits every latent once")
    seed: int = setting(0, "seed of every trial")
    only: tuple[str, ...] = setting((), "names of trials (default: all)")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.errors import UserError, nearest
    from degas_lab.ahead import side_by_side
    from degas_lab.fits.paper_rate import TRIALS, format_table, measure

    for name in options.only:
        if name not in TRIALS:
            raise UserError(f"--only: unknown trial {name!r}{nearest(name, TRIALS)}")
    data = options.data.model_copy(update={"max_images": options.num_images})
    images = load_images(options.source, data, options.out)
    with side_by_side(options):
        records = measure(
            images,
            options.out,
            options.only or tuple(TRIALS),
            seed=options.seed,
            width=options.width,
            num_epochs=options.num_epochs,
        )
    print(format_table(records), end="")
