"""Pictures as `data:` URLs, checked before they go into a page: PNG files, and films as WebP or GIF."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, features

MAX_FILE_BYTES = 32 << 20
MAX_FILM_BYTES = 8 << 20  # films go into the page unchanged
MAX_PIXELS = 64_000_000  # a grid of 5,000 CIFAR images is 5 million; more is a mistake or an attack
RECODE_BYTES = 300_000  # larger pictures are stored as WebP, so that a page with forty takes only some megabytes


@dataclass(frozen=True)
class Picture:
    """A picture for a page: its `data:` URL and its size in pixels.

    `still` is the URL of a film's last frame, for readers who want no motion; "" for a still picture.
    """

    uri: str
    width: int
    height: int
    still: str = ""


def read_picture(path: Path) -> Picture:
    """The PNG at `path`; raises ValueError if it is missing, half-written, too large or not a PNG."""
    with _as_value_errors():
        data = _read(path, MAX_FILE_BYTES)
        return _encode(_open(data, ["PNG"]), data)


def read_film(path: Path) -> Picture:
    """The WebP or GIF at `path`, animated or of one frame; raises ValueError as `read_picture` does."""
    with _as_value_errors():
        data = _read(path, MAX_FILM_BYTES)
        film = _open(data, ["WEBP", "GIF"])
        film.seek(getattr(film, "n_frames", 1) - 1)
        buffer = io.BytesIO()
        film.convert("RGB").save(buffer, "PNG")
        still = _encode(_open(buffer.getvalue(), ["PNG"]), buffer.getvalue())
        kind = str(film.format).lower()
        return Picture(_address(kind, data), film.width, film.height, still.uri)


def open_png(path: Path) -> Image.Image:
    """The PNG at `path` as an image; raises ValueError as `read_picture` does."""
    with _as_value_errors():
        return _open(_read(path, MAX_FILE_BYTES), ["PNG"])


def _read(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise ValueError("file too large")
    return path.read_bytes()


def _open(data: bytes, formats: list[str]) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=formats)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}×{image.height} pixels is too large")
    image.load()  # a half-written file fails here
    return image


def _encode(image: Image.Image, data: bytes) -> Picture:
    kind = "png"
    if len(data) > RECODE_BYTES and features.check("webp") and max(image.size) < 16_384:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "WEBP", quality=88, method=4)
        kind, data = "webp", buffer.getvalue()
    return Picture(_address(kind, data), *image.size)


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@contextmanager
def _as_value_errors() -> Iterator[None]:
    """Turn the errors of a damaged or foreign file into a ValueError with one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(" ".join(str(error).split())[:120]) from None
