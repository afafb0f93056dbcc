from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.figures.film import save_film
from degas.report import pictures
from degas.report.pictures import open_png, read_film, read_picture


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_a_small_picture_is_kept_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.zeros((6, 9, 3), np.uint8))
    picture = read_picture(path)
    head, _, data = picture.uri.partition(",")
    assert (head, picture.width, picture.height) == ("data:image/png;base64", 9, 6)
    assert base64.b64decode(data) == path.read_bytes()


def test_a_large_picture_is_recoded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((800, 800)))
    path = save(tmp_path / "a.png", smooth)
    assert path.stat().st_size > pictures.RECODE_BYTES
    picture = read_picture(path)
    data = base64.b64decode(picture.uri.partition(",")[2])
    assert len(data) < path.stat().st_size / 2
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (800, 800)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg onload='alert(1)'/>"])
def test_what_is_no_png_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Pillow's
        read_picture(tmp_path / "a.png")


def test_half_a_png_and_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(tmp_path / "a.png", noise)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(ValueError, match="too large"):
        read_picture(path)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Pillow's
        read_picture(path)


def test_a_film_is_kept_as_it_is_with_its_last_frame_as_a_still(tmp_path: Path) -> None:
    frames = [Image.new("L", (9, 6), grey) for grey in (0, 100, 250)]
    for ending in (".webp", ".gif"):
        path = tmp_path / f"film{ending}"
        save_film(frames, path, frame_ms=50)
        film = read_film(path)
        head, _, data = film.uri.partition(",")
        assert head == f"data:image/{ending[1:]};base64"
        assert base64.b64decode(data) == path.read_bytes()
        assert (film.width, film.height) == (9, 6)
        with Image.open(io.BytesIO(base64.b64decode(film.still.partition(",")[2]))) as still:
            assert np.asarray(still.convert("L")).mean() == pytest.approx(250, abs=3)


def test_what_is_no_film_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.webp"
    for data in (
        b"",
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00WEBP",
        (save(tmp_path / "a.png", np.zeros((6, 9), np.uint8))).read_bytes(),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError):  # noqa: PT011 - the words are Pillow's
            read_film(path)
    save_film([Image.new("L", (9, 6))], path, frame_ms=50)
    monkeypatch.setattr(pictures, "MAX_FILM_BYTES", path.stat().st_size - 1)
    with pytest.raises(ValueError, match="file too large"):
        read_film(path)


def test_a_png_as_an_image(tmp_path: Path) -> None:
    assert open_png(save(tmp_path / "a.png", np.full((6, 9), 7, np.uint8))).getpixel((0, 0)) == 7
