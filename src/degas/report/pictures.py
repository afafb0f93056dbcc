"""PNG files as `data:` URLs, checked before they go into a page."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, features

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 64_000_000  # a grid of 5,000 CIFAR images is 5 million; more is a mistake or an attack
RECODE_BYTES = 300_000  # larger pictures are stored as WebP, so that a page with forty takes only some megabytes


@dataclass(frozen=True)
class Picture:
    """A picture for a page: its `data:` URL and its size in pixels."""

    uri: str
    width: int
    height: int


def read_picture(path: Path) -> Picture:
    """The PNG at `path`; raises ValueError if it is missing, half-written, too large or not a PNG."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("file too large")
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _encode(data)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(" ".join(str(error).split())[:120]) from None


def _encode(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels is too large")
        image.load()  # a half-written file fails here
        kind = "png"
        if len(data) > RECODE_BYTES and features.check("webp") and max(image.size) < 16_384:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "WEBP", quality=88, method=4)
            kind, data = "webp", buffer.getvalue()
        return Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", *image.size)
