"""`degas sample`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from degas.cli.tool_options import SampleOptions as Options
from degas.errors import UserError, nearest
from degas.runtime.names import same_name

if TYPE_CHECKING:
    from degas.generator.generator import Generator

__all__ = ["Options", "main"]

MAX_GRID_PIXELS = 64 * 2**20  # of samples in one picture; more than any viewer shows, and the limit of our own reader


def main(options: Options) -> None:
    from degas.figures.grids import save_grid, save_png
    from degas.generator.find import generator_folder
    from degas.generator.generator import Generator
    from degas.runtime.distributed import Engine

    generator = Generator.load(generator_folder(options.generator), Engine(device=options.device).device)
    labels, columns = choose_labels(generator, options.label, options.num_images)
    num_images = len(labels) if isinstance(labels, Sequence) else options.num_images
    if options.out.suffix.lower() == ".png":
        if num_images * generator.image_size**2 > MAX_GRID_PIXELS:
            raise UserError("--num-images: too many for one picture; give a folder as --out, or draw fewer")
        columns = min(options.columns or columns or num_images, num_images)
        chosen = columns if options.columns or labels is not None else None
        images = generator.sample(num_images, seed=options.seed, labels=labels)
        save_grid(images, options.out, columns=chosen)
    else:
        batches = generator.images(num_images, seed=options.seed, labels=labels)
        for number, image in enumerate(image for batch in batches for image in batch):
            save_png(image.permute(1, 2, 0).numpy(), options.out / f"{number:05d}.png")  # (H, W, C)
    print(f"{num_images} samples {options.out}")


def choose_labels(generator: Generator, label: str | None, n: int) -> tuple[Sequence[int] | int | None, int | None]:
    """The labels that `--label` asks for, and the columns of a grid with a row per class.

    `all`, or `*` where a class is called all, takes every class and fills the last row: of 12 images and 10 classes it
    makes 20, since 12 would show only six of the classes.
    """
    if label is None:
        return None, None
    if not generator.num_classes:
        raise UserError("--label: this generator is unconditional; train one with --gan.supervised")
    named = same_name(label, generator.class_names)
    if named is not None:
        return generator.class_names.index(named), None
    if label in ("all", "*"):
        columns = max(1, -(-n // generator.num_classes))
        return [k for k in range(generator.num_classes) for _ in range(columns)], columns
    if label.isdecimal() and int(label) < generator.num_classes:
        return int(label), None
    names = generator.class_names or [str(k) for k in range(generator.num_classes)]
    raise UserError(f"--label: unknown class {label!r}{nearest(label, names)}")
