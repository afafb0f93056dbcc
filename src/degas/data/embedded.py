"""The two data sets shipped with scikit-learn, for trying everything without a download.

The files are read from scikit-learn's folder without importing it: that takes as long as importing PyTorch, and nothing
else here needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from degas.data.origin import DEFAULT_SIZE, Origin, Picture, Records
from degas.errors import UserError
from degas.settings.sections import DataSettings

DIGITS_SIZE = 16  # with the original 8 px the search space would have only one up-sampling
NUM_PATCHES = 2000
_PATCH_SEED = 20191  # any constant: the patches are a fixed data set and do not depend on the run's seed


def digits(settings: DataSettings) -> Origin:
    """1,797 handwritten digits, 8×8, grey, ten classes; values 0..16 become round(x·255/16)."""
    _no_split(settings, "digits")
    return _embedded("handwritten digits of scikit-learn", _digit_records, DIGITS_SIZE, 1)


def photos(settings: DataSettings) -> Origin:
    """Colour patches from scikit-learn's two photographs; no labels. `max_images` sets their number, 2,000 by default.

    Patch i does not depend on the number of patches. Its side is the image size times 1, 2, 4, …, as far as the
    photographs allow (427 px); for a larger image size it is 427 px.
    """
    _no_split(settings, "photos")
    size = settings.image_size or DEFAULT_SIZE
    num = settings.max_images or NUM_PATCHES
    return _embedded("patches of two photographs of scikit-learn", lambda: _photo_records(size, num), DEFAULT_SIZE, 3)


def _embedded(kind: str, records: Any, default_size: int, channels: int) -> Origin:
    return Origin(kind, records, listing=list, content=str, default_size=default_size, channels=channels, cached=False)


def _digit_records() -> Records:
    table = np.loadtxt(_file("data/digits.csv.gz"), delimiter=",")  # (1797, 65): 64 pixels and the label
    images = np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Records(
        len(images),
        lambda rows: ((f"digit {i}", images[i]) for i in rows),
        labels=table[:, -1].astype(np.int64),
        class_names=tuple("0123456789"),
    )


def _photo_records(size: int, num: int) -> Records:
    pictures = [_photograph(name) for name in ("china", "flower")]
    shorter = min(min(p.shape[:2]) for p in pictures)
    sides = [size * 2**k for k in range(16) if size * 2**k <= shorter] or [shorter]
    draws = np.random.default_rng(_PATCH_SEED).random(
        (num, 4)
    )  # row by row, so that fewer patches are the first of more

    def read(rows: np.ndarray) -> Iterator[Picture]:
        for i in rows:
            which, scale, down, right = draws[i]
            picture, side = pictures[int(which * len(pictures))], sides[int(scale * len(sides))]
            top = int(down * (picture.shape[0] - side + 1))
            left = int(right * (picture.shape[1] - side + 1))
            yield f"patch {i}", picture[top : top + side, left : left + side]

    return Records(num, read)


def _photograph(name: str) -> np.ndarray:
    """Return one of the two photographs as uint8 (427, 640, 3)."""
    with Image.open(_file(f"images/{name}.jpg")) as picture:
        return np.asarray(picture)


def _no_split(settings: DataSettings, name: str) -> None:
    if settings.split is not None:
        raise UserError(f"--data.split: {name} has no parts; leave it out")


def _file(name: str) -> Path:
    """Return the path of a file in scikit-learn's `datasets`."""
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            "digits and photos come with scikit-learn, which is missing; in degas' folder: pip install -e '.[data]'"
        )
    path = Path(found.submodule_search_locations[0]) / "datasets" / name
    if not path.is_file():
        raise UserError(f"{path}: this version of scikit-learn keeps the file elsewhere; install 1.4 to 1.9")
    return path
