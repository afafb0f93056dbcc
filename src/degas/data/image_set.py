"""`ImageSet`, the result of every source, and the fixed shuffle behind `max_images`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from degas.data.notes import Note, counted
from degas.errors import UserError

_SUBSET_SEED = 20190  # any constant: a subset must not depend on the run's seed


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as stored pixels, in the order of the source (class by class for class folders: shuffle before splitting).

    `images`: uint8 (N, C, H, H), possibly a read-only memory map; `labels`: int64 (N,) in 0..K−1, or None;
    `source`: SRC as given; `fingerprint`: sha256 of pixels, labels and class names, so it depends on the settings that
    change them; `notes`: assumptions about the source, and what was left out.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    source: str
    fingerprint: str
    notes: tuple[Note, ...] = ()

    @property
    def num_images(self) -> int:
        return len(self.images)

    @property
    def identity(self) -> dict[str, str | int]:
        """The identity of the images in scores and trials: `source`, `num_images`, `fingerprint`."""
        return {"source": self.source, "num_images": self.num_images, "fingerprint": self.fingerprint}

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def image_size(self) -> int:
        """Pixels along each side."""
        return int(self.images.shape[2])

    @property
    def num_classes(self) -> int:
        """K, or 0 for a set without labels."""
        return len(self.class_names) if self.labels is not None else 0


def present_classes(
    labels: np.ndarray | None, class_names: tuple[str, ...]
) -> tuple[np.ndarray | None, tuple[str, ...], tuple[Note, ...]]:
    """Return labels and names without empty classes, and a note on those.

    Otherwise training with labels, samples and evaluations would still draw a class without images.
    """
    if labels is None:
        return None, (), ()
    present, numbered = np.unique(labels, return_inverse=True)
    if len(present) == len(class_names):
        return labels, class_names, ()
    absent = [name for k, name in enumerate(class_names) if k not in set(present.tolist())]
    notes = counted("empty_class", absent, "class without images is left out", "classes without images are left out")
    return numbered.reshape(-1).astype(np.int64), tuple(class_names[k] for k in present), notes


def with_present_classes(images: ImageSet) -> ImageSet:
    """Return the same images without empty classes, for a set built by hand."""
    labels, names, notes = present_classes(images.labels, images.class_names)
    if not notes:
        return images
    fingerprint = content_fingerprint(images.images, labels, names)
    return replace(images, labels=labels, class_names=names, fingerprint=fingerprint, notes=(*images.notes, *notes))


def checked(images: ImageSet) -> ImageSet:
    """Return the set itself; raise `UserError` if its arrays, perhaps built by hand, break the description above."""
    pixels, labels = images.images, images.labels
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) != 4 or shape[1] not in (1, 3) or shape[2] != shape[3] or not len(pixels):
        raise UserError(f"ImageSet: images are {pixels.dtype} {shape}; expected uint8 (N, C, H, H), C = 1 or 3, N ≥ 1")
    if labels is not None and (labels.shape != shape[:1] or labels.dtype != np.int64):
        raise UserError(f"ImageSet: labels are {labels.dtype} {labels.shape}; expected int64 ({len(pixels)},)")
    if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < len(images.class_names):
        raise UserError(f"ImageSet: labels go to {int(labels.max())} for {len(images.class_names)} class names")
    return images


def fixed_subset(num_images: int, count: int | None) -> np.ndarray:
    """Row numbers, ascending, of the first `count` images of a fixed shuffle; all rows for None.

    A larger subset contains every smaller one, and classes keep their shares up to chance (our choice).
    """
    if count is None or count >= num_images:
        return np.arange(num_images)
    return np.sort(np.random.default_rng(_SUBSET_SEED).permutation(num_images)[:count])


def area_downsampled(images: ImageSet, size: int) -> ImageSet:
    """The images at `size` pixels, a whole fraction of theirs: the mean of each square of pixels, rounded half up."""
    factor = images.image_size // size
    if size * factor != images.image_size:
        raise ValueError(f"{size} px is no whole fraction of {images.image_size} px")
    if factor == 1:
        return images
    count, channels = images.images.shape[:2]
    smaller = np.empty((count, channels, size, size), np.uint8)
    for start in range(0, count, 1024):
        squares = images.images[start : start + 1024].reshape(-1, channels, size, factor, size, factor)
        smaller[start : start + 1024] = (squares.sum(axis=(3, 5), dtype=np.int64) + factor**2 // 2) // factor**2
    fingerprint = content_fingerprint(smaller, images.labels, images.class_names)
    return replace(images, images=smaller, fingerprint=fingerprint)


def content_fingerprint(images: np.ndarray, labels: np.ndarray | None, class_names: tuple[str, ...]) -> str:
    """sha256 over shape, pixels, labels and class names, as hexadecimal digits."""
    digest = hashlib.sha256(repr((images.shape, list(class_names), labels is not None)).encode())
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]).data)
    if labels is not None:
        digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()


def check_size(images: ImageSet, maker: Any, what: str = "generator") -> None:
    """Raise `UserError` if a generator or an architecture makes images of another size than these."""
    made, real = (maker.channels, maker.image_size), (images.channels, images.image_size)
    if made != real:
        raise UserError(
            f"{images.source}: the {what} makes {made[0]}×{made[1]}×{made[1]} images, but the data are "
            f"{real[0]}×{real[1]}×{real[1]}; give --data.image-size {made[1]} --data.channels {made[0]}"
        )


def stage_head(images: ImageSet, seed: int, preset: str) -> dict[str, Any]:
    """Return the entries on data and seed in every stage's config.json."""
    facts = {name: getattr(images, name) for name in ("source", "fingerprint", "num_images", "image_size", "channels")}
    return {"preset": preset, "seed": seed, "data": {**facts, "num_classes": images.num_classes}}
