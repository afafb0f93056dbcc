"""Any picture → (3, S, S) uint8, by one documented rule.

Conversions (our choice): the first frame of an animation counts; the EXIF orientation is applied; transparency is shown
over white; Pillow converts palette, CMYK, YCbCr and the like to RGB; 16-bit values keep their high byte (or the upper 8
of fewer bits); floating-point and 32-bit pictures are rejected; colour profiles are ignored, and bad metadata does not
make a picture unusable; a JPEG above the limit of pixels is decoded at half its width and height. Then follow a centre
crop (or a stretch) to a square and Pillow's antialiased bicubic resize; a picture that already has the size keeps its
pixels. Colour becomes grey by ITU-R 601 (Pillow's `L`).
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from degas.data.bad_pictures import BadPictureError, in_one_message
from degas.data.encoded import Limits, Opened, open_picture, too_large
from degas.data.origin import Picture
from degas.errors import UserError, system_reason

_WINDOW = 64  # pictures decoded at a time: bounds memory and keeps the threads busy


@dataclass(frozen=True)
class FitRule:
    """The rule by which pictures become an array: `DataSettings` completed for a source (`cache.fit_rule`).

    `crop_pixels` None: the shorter side of each picture. `channels` None: 1 if all pictures are grey, else 3.
    """

    image_size: int
    fit: str = "crop"
    crop_pixels: int | None = None
    max_megapixels: int = 64
    bits: int = 16
    channels: int | None = None

    @property
    def limits(self) -> Limits:
        """The limits for decoding; a megapixel has 2^20 pixels."""
        return Limits(self.max_megapixels << 20, self.bits)


@dataclass(frozen=True)
class Decoded:
    """`pixels` (3, S, S) uint8; the picture's original size in pixels; whether it was stored in grey; see `Opened`."""

    pixels: np.ndarray
    width: int
    height: int
    grey: bool
    transparent: bool = False
    peak: int | None = None
    halved: bool = False
    name: str = ""


def decode(picture: Picture, rule: FitRule) -> Decoded:
    """Decode, crop and resize one picture; raises `BadPictureError` if it cannot be used."""
    name, payload = picture
    try:
        if isinstance(payload, UserError):
            raise payload
        opened = open_picture(name, payload, rule.limits)
        pixels = np.asarray(_fit(name, opened, rule).convert("RGB"))  # (S, S, 3)
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise too_large(name, "more pixels than Pillow opens", rule.limits) from None
    except Exception as error:  # Pillow's readers raise nearly any error on damaged bytes
        raise _bad(name, error) from error
    width, height = opened.size
    square = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return Decoded(square, width, height, opened.grey, opened.transparent, opened.peak, opened.halved, name)


def _bad(name: str, error: Exception) -> BadPictureError:
    if isinstance(error, OSError) and error.errno is not None:
        return BadPictureError(name, *system_reason(error))
    reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else _one_line(error)
    return BadPictureError(name, f"cannot be read as an image ({reason})")


def decode_all(pictures: Iterable[Picture], rule: FitRule) -> Iterator[Decoded]:
    """`decode` many pictures in order; one error at the end names all that cannot be used."""
    bad: list[BadPictureError] = []
    num_pictures = 0
    for _, result in try_decode_all(pictures, rule):
        num_pictures += 1
        if isinstance(result, BadPictureError):
            bad.append(result)
        else:
            yield result
    if bad:
        raise in_one_message(bad, num_pictures)


def try_decode_all(pictures: Iterable[Picture], rule: FitRule) -> Iterator[tuple[str, Decoded | BadPictureError]]:
    """Name and result or error of each picture, in order; one thread per core, since Pillow releases the GIL."""

    remaining = iter(pictures)
    while window := _decode_window(remaining, rule):
        yield from window


def _decode_window(pictures: Iterator[Picture], rule: FitRule) -> list[tuple[str, Decoded | BadPictureError]]:
    """Decode the next few pictures in threads; threads and muted warnings end with the call."""

    def attempt(picture: Picture) -> tuple[str, Decoded | BadPictureError]:
        try:
            return picture[0], decode(picture, rule)
        except BadPictureError as error:
            return picture[0], error

    with _quiet_pillow(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        pending = [pool.submit(attempt, picture) for picture in itertools.islice(pictures, _WINDOW)]
        return [future.result() for future in pending]


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Switch off Pillow's warnings, which are irrelevant or become a `BadPictureError`, and its size limit."""
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """(3, S, S) uint8 → (1, S, S): ITU-R 601 luma, which does not change a grey picture."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L"))[None]


def _fit(name: str, opened: Opened, rule: FitRule) -> Image.Image:
    image = opened.image
    if rule.fit == "crop":
        if rule.crop_pixels and rule.crop_pixels > min(opened.size):
            width, height = opened.size
            problem = f"{width}×{height} pixels, too small for --data.crop-pixels {rule.crop_pixels}"
            raise BadPictureError(name, problem, "leave it out or lower the number")
        crop_pixels = rule.crop_pixels and max(1, rule.crop_pixels // (2 if opened.halved else 1))
        side = crop_pixels or min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size == (rule.image_size, rule.image_size):
        return image
    return image.resize((rule.image_size, rule.image_size), Image.Resampling.BICUBIC)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).split(" <_io")[0][:120] or type(error).__name__
