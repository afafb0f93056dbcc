"""The film of a training, from the sample grids that it wrote: `degas sample --film RUN`; `degas run` ends with it."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, features

from degas.errors import UserError
from degas.figures.film import FORMATS, MAX_FRAMES, MAX_SIDES, bounded_film, captioned, shrunk, thin
from degas.report.collect import sample_grids
from degas.report.pictures import open_png
from degas.runtime.durable import replace_file, writing
from degas.runtime.paths import expanded

SECONDS = 8.0  # that a film lasts, as far as its frames allow
FEWEST_GRIDS = 2


def write_film(run: str | os.PathLike[str], out: Path | None = None) -> Path:
    """Write the film of the training in the run folder `run`: the same noise, step by step; returns its path.

    `out` ends in .webp or .gif; by default it is film.webp in the run folder, where the report finds it. At most 40
    frames, 640 px a side and 2 MiB. Raises `UserError` where the run holds fewer than two sample grids.
    """
    run = expanded(run)
    path = out or run / default_name()
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: a film ends in {' or '.join(FORMATS)}")
    frames = film_frames(run)
    if len(frames) < FEWEST_GRIDS:
        told = f"{run / 'train' / 'samples'}: holds fewer than two sample grids"
        raise UserError(f"{told}; train with --gan.sample-steps, such as a tenth of the steps")
    return _write(frames, path)


def film_of(run: Path) -> Path | None:
    """`write_film` for a run whose training may have left too few sample grids for a film; then None."""
    frames = film_frames(run)
    return _write(frames, run / default_name()) if len(frames) >= FEWEST_GRIDS else None


def default_name() -> str:
    return "film.webp" if features.check("webp") else "film.gif"


def film_frames(run: Path) -> list[Image.Image]:
    """At most 40 sample grids with their steps below them; what cannot be read, or has another size, is left out."""
    files = sample_grids(run)
    read = [(step, _grid(files[step])) for step in thin(list(files), MAX_FRAMES)]
    grids = [(step, shrunk(grid, MAX_SIDES[0])) for step, grid in read if grid is not None]
    grids = [(step, grid) for step, grid in grids if grid.size == grids[-1][1].size]
    last = grids[-1][0] if grids else 0
    return [captioned(grid, f"step {step:,} of {last:,}", step / max(1, last)) for step, grid in grids]


def _write(frames: list[Image.Image], path: Path) -> Path:
    with writing(path):
        replace_file(path, bounded_film(frames, path.suffix, seconds=SECONDS))
    return path


def _grid(path: Path) -> Image.Image | None:
    try:
        return open_png(path)
    except ValueError:
        return None
