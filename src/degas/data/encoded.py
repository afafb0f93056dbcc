"""An encoded file or an array of pixels → one upright RGB or grey `Image`, with a record of the conversions."""

from __future__ import annotations

import io
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from degas.data.bad_pictures import BadPictureError
from degas.data.metadata import SIDEWAYS, turn_of, without_metadata
from degas.errors import UserError

# No format that runs a program or reads other files. JPEG's reader also takes the two-picture MPO of cameras.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
_HALVED_UP_TO = 4  # times the limit: half the width and height make a quarter of the pixels
# Pillow keeps the high byte of a two-byte value; with the opposite byte order it returns the low byte.
_OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


@dataclass(frozen=True)
class Limits:
    """`max_pixels`: most pixels of a stored picture; `bits`: bits in use of 16-bit values (16: keep the high byte)."""

    max_pixels: int
    bits: int = 16


@dataclass(frozen=True)
class Opened:
    """`image` (RGB or L), upright; its stored `size`, upright too; whether it was stored in grey.

    `transparent`: transparent pixels became white; `peak`: the largest value of 16 bits per channel, else None;
    `halved`: a JPEG above the limit, decoded at half its width and height.
    """

    image: Image.Image
    size: tuple[int, int]
    grey: bool
    transparent: bool = False
    peak: int | None = None
    halved: bool = False


def open_picture(name: str, payload: np.ndarray | bytes | Path, limits: Limits) -> Opened:
    """Decode one picture. Unreadable metadata is left out. Raises the reader's errors."""
    if isinstance(payload, np.ndarray):
        return _from_array(name, payload, limits)
    try:
        return _from_file(name, payload, limits)
    except (UserError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file could not be read at all
        plain = without_metadata(payload if isinstance(payload, bytes) else payload.read_bytes())
        if plain is None:
            raise
        return _from_file(name, plain, limits)


def is_picture(payload: Path | IO[bytes]) -> bool:
    """Return whether the file begins like a picture that can be decoded here, whatever its suffix."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(payload, formats=_formats()):
            return True
    except Exception:  # Pillow's readers raise nearly any error on foreign bytes
        return False


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats of this build of Pillow; requesting another one raises."""
    Image.init()
    return tuple(form for form in _FORMATS if form in Image.OPEN)


def _from_file(name: str, payload: bytes | Path, limits: Limits) -> Opened:
    with _opened(payload) as image:
        size, grey = image.size, image.mode in _GREY_MODES
        halved, deep = _halve_above(name, image, limits), _is_deep(image)
        image.load()
        pixels, peak = _in_8_bits(name, payload, image, deep, limits)
        rgb, transparent = _to_rgb(name, pixels)
        turn = turn_of(image)
    if turn is not None:
        rgb = rgb.transpose(turn)
        size = size[::-1] if turn in SIDEWAYS else size
    return Opened(rgb, size, grey, transparent, peak, halved)


def _from_array(name: str, array: np.ndarray, limits: Limits) -> Opened:
    """(H, W), or (H, W, C) with C = 1, 3 or 4; uint8, or uint16 with `limits.bits` as in files."""
    grey = array.ndim == 2 or array.shape[2] == 1
    flat = np.ascontiguousarray(array.reshape(array.shape[:2]) if grey else array)
    peak = None
    if flat.dtype == np.uint16:
        flat, peak = _high_bits(name, flat, limits.bits)
    image = Image.fromarray(flat)
    rgb, transparent = _to_rgb(name, image)
    return Opened(rgb, image.size, grey, transparent, peak)


def _opened(payload: bytes | Path) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(payload) if isinstance(payload, bytes) else payload, formats=_formats())


def _halve_above(name: str, image: Image.Image, limits: Limits) -> bool:
    """Return whether a JPEG above the limit will be decoded at half its width and height, as its coding allows."""
    num_pixels = image.width * image.height
    if num_pixels <= limits.max_pixels:
        return False
    if image.format in ("JPEG", "MPO") and num_pixels <= _HALVED_UP_TO * limits.max_pixels:
        image.draft(image.mode, (image.width // 2, image.height // 2))
        return True
    raise too_large(name, f"{image.width}×{image.height} pixels", limits)


def too_large(name: str, what: str, limits: Limits) -> BadPictureError:
    problem = f"{what}, over the limit of {limits.max_pixels >> 20} million"
    return BadPictureError(name, problem, "scale it down, or raise --data.max-megapixels")


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Return whether a file that is not loaded yet has 16 bits per channel."""
    return bool(image.tile) and ";16" in str(image.tile[0][3])


def _in_8_bits(
    name: str, payload: bytes | Path, image: Image.Image, deep: bool, limits: Limits
) -> tuple[Image.Image, int | None]:
    """The pixels at 8 bits per channel, and the largest value if they had 16."""
    if image.mode.startswith("I"):
        values, peak = _high_bits(name, np.asarray(image), limits.bits)
        return Image.fromarray(values), peak
    if not deep:
        return image, None
    if limits.bits == 16:  # Pillow has dropped the low byte
        return image, int(_colours(np.asarray(image)).max()) << 8 | 255
    values, peak = _high_bits(name, _both_bytes(name, payload, np.asarray(image)), limits.bits)
    return Image.fromarray(values), peak


def _both_bytes(name: str, payload: bytes | Path, high: np.ndarray) -> np.ndarray:
    """(H, W, C) uint16 from a file of 16-bit colours whose high bytes are `high`."""
    with _opened(payload) as image:
        if image.mode not in ("RGB", "RGBA"):
            raise BadPictureError(
                name, f"--data.bits cannot stretch 16 bits of mode {image.mode}", "save it as RGB or grey"
            )
        image.tile = [_other_byte(tile) for tile in image.tile]
        low = np.asarray(image)
    return high.astype(np.uint16) << 8 | low


def _other_byte(tile: Any) -> Any:
    def swapped(value: Any) -> Any:
        if isinstance(value, str) and ";" in value:
            mode, _, order = value.partition(";")
            return f"{mode};{_OTHER_BYTE.get(order, order)}"
        return tuple(map(swapped, value)) if isinstance(value, tuple) else value

    values = [*tile[:3], swapped(tile[3])]
    return tile._make(values) if hasattr(tile, "_make") else tuple(values)


def _high_bits(name: str, values: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """The upper 8 of `bits` bits; with 16 the high byte, as in Pillow for 16-bit colours. Alpha always has 16."""
    colours = _colours(values)
    low, peak = int(colours.min()), int(colours.max())
    if low < 0 or peak > 65535:
        raise BadPictureError(name, "32-bit pixels have no standard range", "save it with 8 or 16 bits a channel")
    if peak >= 1 << bits:
        need = peak.bit_length()
        raise BadPictureError(
            name, f"holds the value {peak:,}, which takes {need} bits", f"give --data.bits {need} or more"
        )
    upper = (values >> (bits - 8)).astype(np.uint8)
    if colours.shape != values.shape:
        upper[..., 3] = (values[..., 3] >> 8).astype(np.uint8)
    return upper, peak


def _colours(values: np.ndarray) -> np.ndarray:
    """The values without alpha."""
    return values[..., :-1] if values.ndim == 3 and values.shape[2] in (2, 4) else values


def _to_rgb(name: str, image: Image.Image) -> tuple[Image.Image, bool]:
    """Return RGB, or L for grey without transparency, and whether transparent pixels became white."""
    if image.mode == "F":
        raise BadPictureError(name, "floating-point pixels have no standard range", "save it with 8 bits a channel")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        seen_through = bool((np.asarray(layer)[..., 3] < 255).any())
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB"), seen_through
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), False
