"""The facts for `degas data info SRC`: counts, sizes, classes, the mean image, samples, and problems."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.bad_pictures import BadPictureError, in_one_message
from degas.data.cache import fit_rule, progress_of
from degas.data.decode import Decoded, FitRule, to_grey, try_decode_all
from degas.data.decoded_notes import DecodedNotes
from degas.data.fetch import OFFICIAL_MD5, file_md5
from degas.data.image_set import fixed_subset, present_classes
from degas.data.origin import Records
from degas.data.sources import find_origin
from degas.errors import UserError
from degas.figures.grids import save_grid
from degas.settings.sections import DataSettings

_GRID_IMAGES = 63  # with the mean image, 8 × 8
_LISTED = 20  # names of a problem; the count is always complete


@dataclass
class _Tally:
    """The facts gathered in one pass over the pictures; it keeps only the grid's pictures."""

    total: np.ndarray
    told: DecodedNotes
    num_readable: int = 0
    all_grey: bool = True
    looks_grey: bool = True
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    unreadable: list[BadPictureError] = field(default_factory=list)
    too_small: int = 0
    by_digest: dict[bytes, str] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    samples: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, row: int, name: str, picture: Decoded, in_grid: bool) -> None:
        self.num_readable += 1
        self.told.add(picture)
        self.all_grey = self.all_grey and picture.grey
        pixels = picture.pixels
        self.looks_grey = self.looks_grey and bool((pixels == pixels[:1]).all())
        self.sizes[(picture.width, picture.height)] += 1
        self.too_small += min(picture.width, picture.height) < pixels.shape[1]
        self.total += pixels
        first = self.by_digest.setdefault(hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), name)
        if first != name:
            self.duplicates.append([first, name])
        if in_grid:
            self.samples[row] = pixels


def describe_source(source: str, settings: DataSettings, grid: Path | None = None) -> dict[str, Any]:
    """Facts about SRC as a dictionary of JSON values; with `grid`, also a PNG: the mean image, then 63 samples.

    Unlike `load_images` it skips unreadable pictures and lists them under `problems`; `UserError` names them if there
    are no others. Duplicates are pictures with equal pixels after decoding to the requested size. It reads every
    picture and writes no cache.
    """
    if grid is not None and Path(source).is_dir() and grid.resolve().is_relative_to(Path(source).resolve()):
        raise UserError(f"--out: {grid} would be one of the pictures of {source}; give a place outside of it")
    origin = find_origin(source, settings)
    records, rule = origin.records(), fit_rule(origin, settings)
    rows = fixed_subset(records.num_images, settings.max_images)
    labels = None if records.labels is None else records.labels[rows]
    labels, names, empty = present_classes(labels, records.class_names)
    tally = _gather(records, rows, rule)
    if tally.unreadable and not tally.num_readable:
        raise in_one_message(tally.unreadable, len(rows))
    notes = (*origin.notes(), *records.notes, *empty, *tally.told.notes())
    facts: dict[str, Any] = {
        "source": source,
        "kind": origin.kind,
        "num_images": len(rows),
        "num_readable": tally.num_readable,
        "image_size": rule.image_size,
        "channels": rule.channels or (1 if tally.all_grey else 3),
        "source_sizes": {f"{w}×{h}": count for (w, h), count in tally.sizes.most_common(_LISTED)},
        "num_source_sizes": len(tally.sizes),
        "classes": _classes(labels, names),
        "mean_per_channel": _mean_per_channel(tally),
        "notes": [note.facts() for note in notes if note.kind != "incomplete"],
        "problems": _problems(tally, records, Path(source), rule) + _class_problems(labels),
    }
    if grid is not None and tally.num_readable:
        save_grid(_grid_images(tally, int(facts["channels"])), grid, columns=8)
        facts["grid"] = str(grid)
    return facts


def _gather(records: Records, rows: np.ndarray, rule: FitRule) -> _Tally:
    tally = _Tally(np.zeros((3, rule.image_size, rule.image_size), np.int64), DecodedNotes(rule))
    shown = {int(rows[k]) for k in fixed_subset(len(rows), _GRID_IMAGES)}
    with progress_of("read images", len(rows)) as progress:
        for i, (name, picture) in enumerate(try_decode_all(records.read(rows), rule)):
            if isinstance(picture, BadPictureError):
                tally.unreadable.append(picture)
            else:
                tally.add(int(rows[i]), name, picture, int(rows[i]) in shown)
            if progress is not None:
                progress.update(i + 1)
    return tally


def _classes(labels: np.ndarray | None, names: tuple[str, ...]) -> dict[str, int]:
    if labels is None:
        return {}
    return {name: int(count) for name, count in zip(names, np.bincount(labels), strict=True)}


def _mean_per_channel(tally: _Tally) -> list[float]:
    pixels = max(1, tally.num_readable * tally.total.shape[1] ** 2)
    return [round(float(total) / pixels, 3) for total in tally.total.sum((1, 2))]


def _grid_images(tally: _Tally, channels: int) -> np.ndarray:
    mean = np.round(tally.total / tally.num_readable).astype(np.uint8)
    images = [mean, *(tally.samples[row] for row in sorted(tally.samples))]
    return np.stack([to_grey(image) if channels == 1 else image for image in images])


def _problems(tally: _Tally, records: Records, path: Path, rule: FitRule) -> list[dict[str, Any]]:
    """One object per kind of problem: `kind`, `count`, `text` in words, and the first few `examples`."""
    found = [
        _problem("unreadable", "cannot be used as they are", [str(bad) for bad in tally.unreadable]),
        _problem("duplicate", "have the same pixels as an earlier picture", [" = ".join(p) for p in tally.duplicates]),
        _problem("incomplete", "parts are missing", _missing(records)),
        _problem("checksum", "not the official archive", _wrong_checksum(path)),
    ]
    if len(tally.sizes) > 1:
        common, count = tally.sizes.most_common(1)[0]
        odd = [f"{w}×{h}: {n}" for (w, h), n in tally.sizes.most_common()[1 : _LISTED + 1]]
        text = f"differ from the most common size, {common[0]}×{common[1]}"
        found.append({"kind": "odd_size", "count": tally.num_readable - count, "text": text, "examples": odd})
    if tally.too_small:
        text = f"are smaller than {rule.image_size} px and would be enlarged"
        found.append({"kind": "too_small", "count": tally.too_small, "text": text, "examples": []})
    if tally.looks_grey and not tally.all_grey and tally.num_readable:
        text = "are grey although stored in colour; --data.channels 1 is enough"
        found.append({"kind": "grey_in_colour", "count": tally.num_readable, "text": text, "examples": []})
    return [problem for problem in found if problem["count"]]


def _missing(records: Records) -> list[str]:
    return [name for note in records.notes if note.kind == "incomplete" for name in note.examples]


def _problem(kind: str, text: str, examples: list[str]) -> dict[str, Any]:
    return {"kind": kind, "count": len(examples), "text": text, "examples": examples[:_LISTED]}


def _class_problems(labels: np.ndarray | None) -> list[dict[str, Any]]:
    counts = np.zeros(1) if labels is None else np.bincount(labels)
    if counts.max() < 10 * counts.min() or len(counts) < 2:
        return []
    examples = [f"largest class {counts.max()} images, smallest {counts.min()}"]
    return [_problem("unbalanced", "class sizes differ tenfold", examples)]


def _wrong_checksum(path: Path) -> list[str]:
    official = OFFICIAL_MD5.get(path.name)
    if official is None or not path.is_file():
        return []
    found = file_md5(path)
    return [] if found == official else [f"{path}: md5 {found}, officially {official}"]
