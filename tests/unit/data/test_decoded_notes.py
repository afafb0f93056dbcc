"""What pictures lose on their way to 8-bit RGB is told, by `data info` and whenever they are loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data.inspect import describe_source
from degas.data.sources import load_images
from degas.errors import Notice
from degas.settings.sections import DataSettings


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def told(root: Path, **settings: object) -> dict[str, str]:
    """Kind → sentence; the same from `data info`, the first loading, and the cached one."""
    given = DataSettings(**{"cache": root.parent / "cache", "image_size": 8, **settings})
    notes = {note["kind"]: note["text"] for note in describe_source(str(root), given)["notes"]}
    for _ in range(2):
        if notes:
            with pytest.warns(Notice):
                images = load_images(str(root), given)
        else:
            images = load_images(str(root), given)
        assert {note.kind: note.text for note in images.notes} == notes
    return notes


def test_plain_pictures_have_nothing_to_tell(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.png", np.zeros((8, 8, 3), np.uint8))
    save(tmp_path / "data" / "b.png", np.full((8, 8, 4), 255, np.uint8))  # alpha, and nothing to see through
    assert told(tmp_path / "data") == {}


def test_transparency_is_counted(tmp_path: Path) -> None:
    for k, alpha in enumerate((255, 254, 0)):
        pixels = np.full((8, 8, 4), 9, np.uint8)
        pixels[..., 3], pixels[0, 0, 3] = 255, alpha
        save(tmp_path / "data" / f"{k}.png", pixels)
    notes = told(tmp_path / "data")
    assert list(notes) == ["transparency"]
    assert notes["transparency"].startswith("2 pictures are partly transparent")


@pytest.mark.parametrize(
    ("largest", "bits", "said"),
    [
        (4095, 16, "nearly black (--data.bits 12 uses the whole range)"),
        (20_000, 16, "darker than necessary (--data.bits 15 uses the whole range)"),
        (65_535, 16, "the upper 8 are kept"),
        (4095, 12, "the upper 8 of 12 are kept"),
        (100, 12, "nearly black (--data.bits 8 uses the whole range)"),
    ],
)
def test_sixteen_bits_and_what_they_use(tmp_path: Path, largest: int, bits: int, said: str) -> None:
    for k in range(3):
        save(tmp_path / "data" / f"{k}.png", np.full((8, 8), largest if k == 1 else 50, np.uint16))
    notes = told(tmp_path / "data", bits=bits)
    assert list(notes) == ["sixteen_bits"]
    assert notes["sixteen_bits"].startswith("3 pictures have 16 bits per channel")
    assert notes["sixteen_bits"].endswith(said)


def test_sixteen_bits_of_an_array_are_stretched_as_files_are(tmp_path: Path) -> None:
    values = (np.arange(64, dtype=np.uint16) * 65).reshape(1, 8, 8)
    np.savez(tmp_path / "data.npz", images=values)
    save(tmp_path / "data" / "0.png", values[0])
    for bits in (12, 16):
        given = DataSettings(cache=tmp_path / "cache", image_size=8, bits=bits)
        with pytest.warns(Notice, match="16 bits"):
            array, file = (load_images(str(tmp_path / name), given) for name in ("data.npz", "data"))
        assert np.array_equal(array.images, file.images)
        assert array.images.max() == 4095 >> bits - 8


def test_a_halved_jpeg_is_told(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.jpg", np.zeros((1024, 1025), np.uint8))
    assert told(tmp_path / "data", max_megapixels=1) == {
        "halved": "1 JPEG of more than 1 megapixels read at half the width and height"
    }
