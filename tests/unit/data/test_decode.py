from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data.decode import MAX_PIXELS, FitRule, decode, decode_all, to_grey, try_decode_all
from degas.errors import UserError

RULE = FitRule(8)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=form, **options)
    return stream.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_rgb_of_the_asked_size_keeps_its_pixels() -> None:
    array = noise(8, 8, 3)
    picture = decode(("x", encoded(Image.fromarray(array))), RULE)
    assert np.array_equal(picture.pixels, array.transpose(2, 0, 1))
    assert (picture.width, picture.height, picture.grey) == (8, 8, False)


def test_grey_fills_three_channels_and_is_reported() -> None:
    array = noise(8, 8)
    picture = decode(("x", encoded(Image.fromarray(array))), RULE)
    assert picture.grey
    assert all(np.array_equal(picture.pixels[c], array) for c in range(3))
    assert np.array_equal(to_grey(picture.pixels)[0], array)


def test_bilevel_becomes_black_and_white() -> None:
    array = noise(8, 8) > 127
    picture = decode(("x", encoded(Image.fromarray(array))), RULE)
    assert picture.grey
    assert np.array_equal(picture.pixels[0], np.where(array, 255, 0))


def test_transparency_goes_over_white() -> None:
    array = np.zeros((8, 8, 4), np.uint8)
    array[:4, :, 0], array[:4, :, 3] = 200, 255  # opaque red above nothing at all
    array[4, :, :] = (0, 0, 0, 51)  # black at a fifth
    pixels = decode(("x", encoded(Image.fromarray(array))), RULE).pixels
    assert pixels[:, 0, 0].tolist() == [200, 0, 0]
    assert pixels[:, 7, 0].tolist() == [255, 255, 255]
    assert pixels[:, 4, 0].tolist() == [204, 204, 204]


def test_grey_with_transparency_is_still_grey() -> None:
    picture = decode(("x", encoded(Image.fromarray(noise(8, 8, 2), mode=None).convert("LA"))), RULE)
    assert picture.grey
    assert np.array_equal(picture.pixels[0], picture.pixels[2])


def test_palette_and_its_transparent_entry() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((0, 0), 0)
    assert decode(("x", encoded(image)), RULE).pixels[:, 0, 0].tolist() == [10, 20, 30]
    pixels = decode(("x", encoded(image, transparency=0)), RULE).pixels
    assert pixels[:, 0, 0].tolist() == [255, 255, 255]
    assert pixels[:, 1, 1].tolist() == [40, 50, 60]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert decode(("x", encoded(image, "TIFF")), RULE).pixels[:, 0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_keep_the_high_byte_in_grey_and_colour() -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1031
    picture = decode(("x", encoded(Image.fromarray(values))), RULE)
    assert picture.grey
    assert np.array_equal(picture.pixels[0], values >> 8)
    assert np.array_equal(decode(("x", png_rgb16(values)), RULE).pixels[0], values >> 8)


def png_rgb16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel with three equal channels, by hand: Pillow cannot write one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("array", [np.zeros((8, 8), np.float32), np.full((8, 8), 70000, np.int32)])
def test_pixels_without_an_agreed_range_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"^picture\.tif: .*no agreed range"):
        decode(("picture.tif", encoded(Image.fromarray(array), "TIFF")), RULE)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(
        frames[0], form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
    )
    assert decode(("x", data), RULE).pixels[:, 3, 3].tolist() == [255, 0, 0]


def test_the_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (16, 8), "black")
    image.paste("white", (0, 0, 8, 8))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90° clockwise
    picture = decode(("x", encoded(image, exif=exif)), FitRule(16, "stretch"))
    assert (picture.width, picture.height) == (8, 16)
    assert picture.pixels[0, 0].tolist() == [255] * 16  # what was left is now above
    assert picture.pixels[0, 15].tolist() == [0] * 16


def test_crop_takes_the_centre_and_stretch_the_whole() -> None:
    array = np.zeros((8, 16), np.uint8)
    array[:, 4:12] = noise(8, 8)
    assert np.array_equal(decode(("x", array), RULE).pixels[0], array[:, 4:12])
    stretched = np.asarray(Image.fromarray(array).resize((8, 8), Image.Resampling.BICUBIC))
    assert np.array_equal(decode(("x", array), FitRule(8, "stretch")).pixels[0], stretched)


def test_crop_pixels_cut_before_resizing() -> None:
    array = noise(218, 178, 3)
    expected = Image.fromarray(array[55 : 55 + 108, 35 : 35 + 108]).resize((32, 32), Image.Resampling.BICUBIC)
    pixels = decode(("x", array), FitRule(32, crop_pixels=108)).pixels
    assert np.array_equal(pixels, np.asarray(expected).transpose(2, 0, 1))


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(UserError, match=r"small\.png: 20×10 pixels, too small for --data\.crop-pixels 12"):
        decode(("small.png", noise(10, 20)), FitRule(8, crop_pixels=12))


@pytest.mark.parametrize("width", [MAX_PIXELS // 1000 + 1, 2**31 - 1])
def test_bombs_are_refused_before_they_are_unpacked(width: int) -> None:
    header = struct.pack(">IIBBBBB", width, 1000, 1, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    data = start + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data += struct.pack(">I", 10) + b"IDAT" + zlib.compress(b"\0" * 10)[:10] + b"\0\0\0\0"
    with pytest.raises(UserError, match=r"bomb\.png: .*pixels; scale it down"):
        list(decode_all([("bomb.png", data)], RULE))


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"GIF89a", lambda d: b"%!PS-Adobe"]
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_what_cannot_be_read_is_named_in_one_line(damage, form: str) -> None:
    with pytest.raises(UserError) as caught:
        decode(("folder/broken.jpg", damage(encoded(Image.fromarray(noise(64, 64, 3)), form))), RULE)
    assert str(caught.value).startswith("folder/broken.jpg: cannot be read as an image")
    assert "\n" not in str(caught.value)


def test_order_is_kept_across_threads_and_errors_can_be_collected(tmp_path: Path) -> None:
    arrays = [np.full((8, 8), k % 256, np.uint8) for k in range(600)]
    pictures = [(str(k), array) for k, array in enumerate(arrays)]
    assert [int(p.pixels[0, 0, 0]) for p in decode_all(pictures, RULE)] == [k % 256 for k in range(600)]
    pictures[300] = ("bad", b"no picture")
    results = list(try_decode_all(pictures, RULE))
    assert [name for name, result in results if isinstance(result, UserError)] == ["bad"]
    with pytest.raises(UserError, match=r"^bad: "):
        list(decode_all(pictures, RULE))
