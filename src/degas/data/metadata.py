"""Metadata of an encoded picture: found, and removed if it prevents decoding.

Bad metadata never makes a picture unusable. Readers fail on a colour profile or a text that is too large, or on a wrong
checksum of a comment. After `without_metadata` the picture decodes to the same pixels and keeps its orientation.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf")
_JPEG_KEPT = (0xE0, 0xE1, 0xEE)  # JFIF; Exif; Adobe's, which gives the colour coding
_JPEG_BARE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = tuple(_TURNS[k] for k in (5, 6, 7, 8))  # these exchange width and height


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that makes the loaded `image` upright, by its Exif; None if there is none or none is needed."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged Exif raises nearly any error
        return None


def without_metadata(data: bytes) -> bytes | None:
    """A PNG or JPEG file reduced to what its pixels need, or None if there is nothing to remove."""
    if data.startswith(_PNG):
        kept = _PNG + b"".join(_png_chunks(data))
    elif data.startswith(b"\xff\xd8"):
        kept = b"\xff\xd8" + b"".join(_jpeg_segments(data))
    else:
        return None
    return kept if len(kept) < len(data) else None


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Chunks: length, name, contents, checksum. A damaged chunk of pixels is kept: the reader reports it."""
    start = len(_PNG)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        name = data[start + 4 : start + 8]
        sound = zlib.crc32(data[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if name in _PNG_KEPT and (sound or name != b"eXIf"):
            yield data[start:end]
        start = end


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Segments up to the first scan: marker, length, contents. The pixels follow."""
    start = 2
    while start + 4 <= len(data) and data[start] == 0xFF:
        marker = data[start + 1]
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        bare = marker in _JPEG_BARE or marker == 0xFF  # 0xFF again: padding
        end = start + (1 if marker == 0xFF else 2) if bare else start + 2 + int.from_bytes(data[start + 2 : start + 4])
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or marker in _JPEG_KEPT:
            yield data[start:end]
        start = end
    yield data[start:]
