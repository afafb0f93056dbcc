"""Films: many frames in one animated WebP or GIF that plays without end."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from degas.runtime.durable import replace_file, writing

FORMATS = {".webp": "WEBP", ".gif": "GIF"}
# Every frame of a WebP is whole (kmax): frames as differences would leave shadows of those before. GIF has 256 colours.
WEBP = {"quality": 80, "method": 4, "kmax": 1}
MAX_BYTES = 2 << 20  # of a bounded film
MAX_FRAMES = 40  # of a bounded film, at first; frames are left out evenly, never the first or the last
MAX_SIDES = (640, 480, 320, 240)  # pixels of the longer side of a bounded film; the first one that fits is taken
CAPTION_PIXELS, FONT_PIXELS = 24, 14
T = TypeVar("T")
INK, PAPER, BAR = (38, 35, 32), (255, 255, 255), (51, 99, 159)


def save_film(frames: Sequence[Image.Image], path: Path, *, frame_ms: int, last_ms: int | None = None) -> None:
    """Write every frame into one film, WebP or GIF by the ending of `path`; atomic.

    Each is shown for `frame_ms` milliseconds, the last one for `last_ms`.
    """
    with writing(path):
        replace_file(path, encoded(frames, path.suffix, frame_ms, last_ms))


def encoded(frames: Sequence[Image.Image], ending: str, frame_ms: int, last_ms: int | None = None) -> bytes:
    """The bytes of a film; see `save_film`."""
    times = [frame_ms] * (len(frames) - 1) + [last_ms or frame_ms]
    buffer = io.BytesIO()
    first, *rest = (frame.convert("RGB") for frame in frames)
    first.save(
        buffer,
        FORMATS[ending.lower()],
        save_all=True,
        append_images=rest,
        duration=times,
        loop=0,  # without end
        **(WEBP if ending.lower() == ".webp" else {}),
    )
    return buffer.getvalue()


def bounded_film(frames: Sequence[Image.Image], ending: str, *, seconds: float, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a film of at most `max_bytes`, `MAX_FRAMES` frames and 640 px a side, which lasts about `seconds`.

    A film that is too large is made smaller first, then of half as many frames, until it fits or has two.
    """
    chosen = thin(frames, MAX_FRAMES)
    while True:
        frame_ms = round(min(500.0, max(60.0, 1000 * seconds / len(chosen))))
        for side in MAX_SIDES:
            film = encoded([shrunk(frame, side) for frame in chosen], ending, frame_ms, 4 * frame_ms)
            if len(film) <= max_bytes:
                return film
        if len(chosen) <= 2:
            return film
        chosen = thin(chosen, max(2, len(chosen) // 2))


def thin(items: Sequence[T], most: int) -> list[T]:
    """At most `most` (two or more) of `items`, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def shrunk(frame: Image.Image, side: int) -> Image.Image:
    """The frame with a longer side of at most `side` pixels."""
    scale = side / max(frame.size)
    if scale >= 1:
        return frame
    return frame.resize((max(1, round(frame.width * scale)), max(1, round(frame.height * scale))), Image.Resampling.BOX)


def captioned(frame: Image.Image, words: str, share: float) -> Image.Image:
    """The frame above a line of text and a bar that is filled to `share` in [0, 1]."""
    whole = Image.new("RGB", (frame.width, frame.height + CAPTION_PIXELS), PAPER)
    whole.paste(frame.convert("RGB"), (0, 0))
    drawing = ImageDraw.Draw(whole)
    drawing.rectangle((0, frame.height, round(share * (frame.width - 1)), frame.height + 3), fill=BAR)
    font = ImageFont.load_default(FONT_PIXELS)
    drawing.text((4, frame.height + 6), words, fill=INK, font=font)
    return whole


def as_frames(images: np.ndarray, least_pixels: int) -> list[Image.Image]:
    """Images (N, 1 or 3, H, W), uint8, as frames enlarged by a whole number to at least `least_pixels` a side."""
    scale = max(1, -(-least_pixels // max(images.shape[2:])))
    tiles = images.repeat(scale, axis=2).repeat(scale, axis=3).transpose(0, 2, 3, 1)
    return [Image.fromarray(tile[:, :, 0] if tile.shape[2] == 1 else tile) for tile in tiles]
