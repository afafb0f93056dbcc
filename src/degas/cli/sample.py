"""`degas sample`: samples, a walk between samples, or the film of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from degas.cli.tool_options import SampleOptions as Options
from degas.cli.values import output_path
from degas.errors import UserError, nearest
from degas.runtime.names import same_name

if TYPE_CHECKING:
    from degas.generator.generator import Generator

__all__ = ["Options", "main"]

MAX_GRID_PIXELS = 64 * 2**20  # in one picture: more than any viewer shows, and the limit of degas' own reader
NUM_SAMPLES, NUM_WALK_SAMPLES = 64, 8  # the defaults of --num-images
MAX_WALK_IMAGES = 2000
WALK_PIXELS = 256  # the smallest side of an animated walk
LEG_SECONDS = 1.2  # of an animated walk, from one sample to the next


def main(options: Options) -> None:
    if options.film is not None:
        make_film(options, options.film)
    elif options.interpolate is not None:
        make_walk(options, options.interpolate)
    else:
        draw_samples(options)


def draw_samples(options: Options) -> None:
    """Write samples as one grid or as a folder of files."""
    from degas.figures.grids import save_grid, save_png

    out = checked_out(needed(options, "generator", "out"), (".png", ""))
    generator = loaded(options)
    num_images = options.num_images or NUM_SAMPLES
    labels, columns = choose_labels(generator, options.label, num_images)
    num_images = len(labels) if isinstance(labels, Sequence) else num_images
    if out.suffix.lower() == ".png":
        reject_large(num_images, generator)
        columns = min(options.columns or columns or num_images, num_images)
        chosen = columns if options.columns or labels is not None else None
        images = generator.sample(num_images, seed=options.seed, labels=labels)
        save_grid(images, out, columns=chosen)
    else:
        batches = generator.images(num_images, seed=options.seed, labels=labels)
        for number, image in enumerate(image for batch in batches for image in batch):
            save_png(image.permute(1, 2, 0).numpy(), out / f"{number:05d}.png")  # (H, W, C)
    print(f"{num_images} samples {out}")


def make_walk(options: Options, num_between: int) -> None:
    """Write a closed walk between samples: a PNG with one row per pair, or a film, by the file's suffix."""
    from degas.figures.film import as_frames, save_film
    from degas.figures.grids import save_grid
    from degas.generator.walk import as_legs, walk

    needed(options, "generator")
    reject_others(options, "interpolate", ("columns",))
    run = options.generator
    assert run is not None
    out = checked_out(options.out or in_run(Path(run), "walk.webp", "--interpolate"), (".png", ".webp", ".gif"))
    generator = loaded(options)
    num_samples = options.num_images or NUM_WALK_SAMPLES
    num_images = num_samples * (num_between + 1)
    if num_images > MAX_WALK_IMAGES:
        raise UserError(f"--interpolate: {num_images:,} images are too many for one walk; at most {MAX_WALK_IMAGES:,}")
    reject_large(num_images + num_samples, generator)
    images = walk(generator, num_samples, num_between, options.seed, label_of_walk(generator, options))
    if out.suffix.lower() == ".png":
        save_grid(as_legs(images, num_between), out, columns=num_between + 2)
    else:
        frame_ms = round(min(400.0, max(40.0, 1000 * LEG_SECONDS / (num_between + 1))))
        save_film(as_frames(images.numpy(), WALK_PIXELS), out, frame_ms=frame_ms)
    print(f"{num_samples} samples with {num_between} images in between {out}")


def make_film(options: Options, run: Path) -> None:
    """Write the film of a training from its sample grids."""
    from degas.report.training_film import write_film

    reject_others(options, "film", sorted(options.model_fields_set - {"film", "out"}))
    out = None if options.out is None else checked_out(options.out, (".webp", ".gif"))
    print(f"film {write_film(run, out)}")


def label_of_walk(generator: Generator, options: Options) -> int | None:
    """The one class of a walk: the named one, else that of sample 0; None for an unconditional generator."""
    from degas.generator.generator import draw_labels

    labels, _ = choose_labels(generator, options.label, 1)
    if isinstance(labels, Sequence):
        raise UserError(f"--label {options.label}: a walk shows a single class; name one")
    if labels is None and generator.num_classes:
        return int(draw_labels(1, generator.num_classes, options.seed)[0])
    return labels


def needed(options: Options, *names: str) -> Path:
    """Raise `UserError` if one of these options is not given; return the last one's value."""
    usages = {"generator": "--generator GENERATOR", "out": "--out PATH"}
    missing = [usages[name] for name in names if getattr(options, name) is None]
    if missing:
        raise UserError(f"missing {', '.join(missing)}; see degas sample --help")
    value: Path = getattr(options, names[-1])
    return value


def reject_others(options: Options, mode: str, others: Sequence[str]) -> None:
    """Raise `UserError` for a given option that this kind of picture does not use."""
    given = [f"--{name.replace('_', '-')}" for name in others if name in options.model_fields_set]
    if len(given) == 1:
        raise UserError(f"{given[0]}: --{mode} does not use it; leave out one of the two")
    if given:
        raise UserError(f"{' '.join(given)}: --{mode} does not use them; leave them out, or --{mode}")


def checked_out(out: Path, endings: Sequence[str]) -> Path:
    return output_path("--out", str(out), endings)


def in_run(run: Path, name: str, option: str) -> Path:
    """The path in a run folder where the report looks for a picture; `UserError` if `run` is not a run folder."""
    if not (run / "train" / "generator").is_dir():
        raise UserError(f"missing --out PATH: {run} is not a run folder, where {option} would write {name}")
    return run / name


def loaded(options: Options) -> Generator:
    from degas.generator.find import generator_folder
    from degas.generator.generator import Generator
    from degas.runtime.distributed import Engine

    assert options.generator is not None
    return Generator.load(generator_folder(options.generator), Engine(device=options.device).device)


def reject_large(num_images: int, generator: Generator) -> None:
    if num_images * generator.image_size**2 > MAX_GRID_PIXELS:
        raise UserError("--num-images: too many for one picture; give a folder as --out, or draw fewer")


def choose_labels(generator: Generator, label: str | None, n: int) -> tuple[Sequence[int] | int | None, int | None]:
    """The labels for `--label`, and the columns of a grid with one row per class.

    `all`, or `*` if a class is called all, takes every class and fills the last row: it makes 20 images of 12 requested
    ones with 10 classes, since 12 would show only six classes.
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
