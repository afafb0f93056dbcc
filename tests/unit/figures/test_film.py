from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.figures import film
from degas.figures.film import as_frames, bounded_film, captioned, save_film, shrunk, thin


def frames(num: int, side: int = 32) -> list[Image.Image]:
    """Frames of one grey each, so that their order can be read back from a lossy film."""
    return [Image.new("RGB", (side, side), (20 * k, 20 * k, 20 * k)) for k in range(num)]


def greys(path: Path) -> list[int]:
    with Image.open(path) as shown:
        found = []
        for k in range(shown.n_frames):
            shown.seek(k)
            found.append(int(np.asarray(shown.convert("L")).mean().round()))
        return found


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_every_frame_is_in_the_film_in_order_and_it_plays_without_end(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / f"film{ending}"
    save_film(frames(6), path, frame_ms=100, last_ms=900)
    assert greys(path) == pytest.approx([20 * k for k in range(6)], abs=3)
    with Image.open(path) as shown:
        assert shown.info["loop"] == 0
        times = []
        for k in range(6):
            shown.seek(k)
            shown.load()
            times.append(shown.info["duration"])
    assert times == [100] * 5 + [900]
    first = path.read_bytes()
    save_film(frames(6), path, frame_ms=100, last_ms=900)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def noisy(num: int, side: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(num)]


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_a_film_keeps_to_its_bounds(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_FRAMES", 9)
    monkeypatch.setattr(film, "MAX_SIDES", (64, 32))

    def made(num: int, most: int) -> tuple[int, int, int]:
        path = tmp_path / f"film{ending}"
        path.write_bytes(bounded_film(noisy(num, 100), ending, seconds=2, max_bytes=most))
        with Image.open(path) as shown:
            return path.stat().st_size, shown.n_frames, max(shown.size)

    size, count, side = made(20, 10**9)
    assert (count, side) == (9, 64)  # of 20 frames of 100 px
    smaller = made(20, size - 1)
    assert smaller[0] < size
    assert smaller[1:] == (9, 32)  # first of a smaller side
    fewest = made(20, smaller[0] - 1)
    assert fewest[0] < smaller[0]
    assert fewest[1] == 4  # then of half as many frames
    assert made(20, 1)[1:] == (2, 32)  # no smaller film is made


def test_thinning_keeps_first_and_last() -> None:
    assert thin(range(100), 4) == [0, 33, 66, 99]
    assert thin("abc", 40) == ["a", "b", "c"]


def test_the_caption_stands_below_and_its_bar_is_the_share() -> None:
    whole = captioned(Image.new("L", (200, 50), 255), "step 10", 0.5)
    pixels = np.asarray(whole)
    assert whole.size == (200, 50 + film.CAPTION_PIXELS)
    assert (pixels[:50] == 255).all()
    blue = (pixels[51] == film.BAR).all(1)
    assert blue.sum() == pytest.approx(100, abs=1)
    assert (pixels[56:] < 100).any()  # letters


def test_frames_are_enlarged_by_whole_numbers_and_shrunk_to_a_side() -> None:
    images = np.zeros((2, 1, 8, 8), np.uint8)
    images[1] = 255
    large = as_frames(images, 30)
    assert [frame.size for frame in large] == [(32, 32), (32, 32)]
    assert [frame.getpixel((31, 31)) for frame in large] == [0, 255]
    assert as_frames(np.zeros((1, 3, 40, 20), np.uint8), 30)[0].size == (20, 40)
    assert shrunk(Image.new("L", (400, 100)), 40).size == (40, 10)
    assert shrunk(Image.new("L", (40, 10)), 40).size == (40, 10)
