"""Any picture → (3, S, S) uint8, by one documented rule.

Conversions (our choice): the first frame of an animation; the EXIF orientation applied; transparency over white;
palette, CMYK, YCbCr and the like to RGB by Pillow; 16-bit values keep their high byte; floating point and 32-bit
pictures are refused; colour profiles are ignored. Then a centre crop (or a stretch) to a square and Pillow's
antialiased bicubic resize; a picture that already has the size keeps its pixels. Colour to grey is ITU-R 601
(Pillow's `L`).
"""

from __future__ import annotations

import io
import itertools
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from degas.data.records import Picture
from degas.errors import UserError

MAX_PIXELS = 64 * 2**20  # 8192 × 8192: larger pictures are taken for decompression bombs
# No format that runs a program or reads other files. JPEG's reader takes the two-picture MPO of cameras as well.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
_WINDOW = 64  # pictures decoded at a time: bounds memory, keeps the threads busy


@dataclass(frozen=True)
class FitRule:
    """How a picture becomes square: `image_size` pixels a side, `crop_pixels` as in `DataSettings`."""

    image_size: int
    fit: str = "crop"
    crop_pixels: int | None = None


@dataclass(frozen=True)
class Decoded:
    """`pixels` (3, S, S) uint8; the picture's own size in pixels; whether it was stored in grey."""

    pixels: np.ndarray
    width: int
    height: int
    grey: bool


def decode(picture: Picture, rule: FitRule) -> Decoded:
    """Decode, crop and resize one picture; raises `UserError` that names it if it cannot be read."""
    name, payload = picture
    try:
        image, grey = _from_array(name, payload) if isinstance(payload, np.ndarray) else _open(name, payload)
        width, height = image.size
        fitted = _fit(name, image, rule)
        pixels = np.asarray(fitted.convert("RGB"))  # (S, S, 3)
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise UserError(f"{name}: more than {MAX_PIXELS} pixels; scale it down first") from None
    except Exception as error:  # Pillow's readers raise nearly anything on damaged bytes
        raise UserError(f"{name}: cannot be read as an image ({_one_line(error)}); mend or remove it") from error
    return Decoded(np.ascontiguousarray(pixels.transpose(2, 0, 1)), width, height, grey)


def decode_all(pictures: Iterable[Picture], rule: FitRule) -> Iterator[Decoded]:
    """`decode` over many pictures in order; the first that cannot be read raises."""
    for _, result in try_decode_all(pictures, rule):
        if isinstance(result, UserError):
            raise result
        yield result


def try_decode_all(pictures: Iterable[Picture], rule: FitRule) -> Iterator[tuple[str, Decoded | UserError]]:
    """Name and result, or what is wrong with it, in order; a thread a core, for Pillow frees the interpreter."""

    remaining = iter(pictures)
    while window := _decode_window(remaining, rule):
        yield from window


def _decode_window(pictures: Iterator[Picture], rule: FitRule) -> list[tuple[str, Decoded | UserError]]:
    """The next few, decoded while the ones after them are read; threads and Pillow's silence end with the call."""

    def attempt(picture: Picture) -> tuple[str, Decoded | UserError]:
        try:
            return picture[0], decode(picture, rule)
        except UserError as error:
            return picture[0], error

    with _quiet_pillow(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        pending = [pool.submit(attempt, picture) for picture in itertools.islice(pictures, _WINDOW)]
        return [future.result() for future in pending]


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """No warnings of Pillow's inside: each either becomes a `UserError` here or does not matter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """(3, S, S) uint8 → (1, S, S): ITU-R 601 luma; a grey picture comes back unchanged."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L"))[None]


@cache
def _formats() -> tuple[str, ...]:
    """Those that this build of Pillow has: asking it for another raises."""
    Image.init()
    return tuple(form for form in _FORMATS if form in Image.OPEN)


def _open(name: str, payload: bytes | Path) -> tuple[Image.Image, bool]:
    with Image.open(io.BytesIO(payload) if isinstance(payload, bytes) else payload, formats=_formats()) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UserError(
                f"{name}: {image.width}×{image.height} is more than {MAX_PIXELS} pixels; scale it down first"
            )
        grey = image.mode in _GREY_MODES
        return _to_rgb(name, ImageOps.exif_transpose(image)), grey


def _to_rgb(name: str, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _high_byte(name, image)
    if image.mode == "F":
        raise UserError(f"{name}: floating-point pixels have no agreed range; save it with 8 bits a channel")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _high_byte(name: str, image: Image.Image) -> Image.Image:
    """16-bit grey → 8 bits by dropping the low byte, which is also what Pillow does to 16-bit RGB files."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UserError(f"{name}: 32-bit pixels have no agreed range; save it with 8 or 16 bits a channel")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _from_array(name: str, array: np.ndarray) -> tuple[Image.Image, bool]:
    grey = array.ndim == 2 or array.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(array.reshape(array.shape[:2]) if grey else array))
    return _to_rgb(name, image), grey


def _fit(name: str, image: Image.Image, rule: FitRule) -> Image.Image:
    if rule.fit == "crop":
        side = rule.crop_pixels or min(image.size)
        if side > min(image.size):
            raise UserError(f"{name}: {image.width}×{image.height} pixels, too small for --data.crop-pixels {side}")
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size == (rule.image_size, rule.image_size):
        return image
    return image.resize((rule.image_size, rule.image_size), Image.Resampling.BICUBIC)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).split(" <_io")[0][:120] or type(error).__name__
