from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data.bad_pictures import NAMED, BadPictureError, in_one_message
from degas.data.decode import FitRule, decode, decode_all, to_grey, try_decode_all
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
    with pytest.raises(UserError, match=r"^picture\.tif: .*no standard range"):
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


@pytest.mark.parametrize("width", [(64 << 20) // 1000 + 1, 2**31 - 1])
def test_bombs_are_refused_before_they_are_unpacked(width: int) -> None:
    header = struct.pack(">IIBBBBB", width, 1000, 1, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    data = start + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data += struct.pack(">I", 10) + b"IDAT" + zlib.compress(b"\0" * 10)[:10] + b"\0\0\0\0"
    with pytest.raises(UserError, match=r"bomb\.png: \d+×1000 pixels, over the limit of 64 million; scale it down"):
        list(decode_all([("bomb.png", data)], RULE))
    with pytest.raises(UserError, match=r"bomb\.png: .*over the limit"):  # outside of the loop Pillow has a limit too
        decode(("bomb.png", data), RULE)


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


def with_chunk(png: bytes, name: bytes, body: bytes, *, sound: bool = True) -> bytes:
    """A PNG with one more chunk behind its header."""
    checksum = zlib.crc32(name + body) ^ (0 if sound else 1)
    return png[:33] + struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum) + png[33:]


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


PNG = encoded(Image.fromarray(noise(16, 16, 3)))
JPEG = encoded(Image.fromarray(noise(16, 16, 3)), "JPEG")
LARGE = zlib.compress(bytes(2 << 20))
EXIF_6 = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # orientation 6, big-endian


@pytest.mark.parametrize(
    ("plain", "troubled"),
    [
        (PNG, with_chunk(PNG, b"eXIf", b"\0\x08\0\2\1\x12\0\3")),
        (PNG, with_chunk(PNG, b"iCCP", b"profile\0\0" + LARGE)),
        (PNG, with_chunk(PNG, b"zTXt", b"Raw\0\0" + LARGE)),
        (PNG, with_chunk(PNG, b"iTXt", b"Raw\0\1\0\0\0" + LARGE)),
        (PNG, with_chunk(PNG, b"tEXt", b"Comment\0text", sound=False)),
        (PNG, with_chunk(PNG, b"eXIf", EXIF_6, sound=False)),
        (PNG, with_chunk(PNG, b"pHYs", b"short")),
        (JPEG, with_segment(JPEG, 0xE1, b"Exif\0\0garbage")),
        (JPEG, with_segment(JPEG, 0xE2, b"ICC_PROFILE\0")),
        (JPEG, with_segment(JPEG, 0xE2, b"MPF\0MM\0*" + b"\xff" * 20)),
        (JPEG, with_segment(JPEG, 0xED, b"Photoshop 3.0\x008BIM\3\xed")),
    ],
)
def test_metadata_never_costs_a_picture(plain: bytes, troubled: bytes, tmp_path: Path) -> None:
    expected = decode(("plain", plain), RULE).pixels
    assert np.array_equal(decode(("troubled", troubled), RULE).pixels, expected)
    (tmp_path / "x").write_bytes(troubled)
    assert np.array_equal(decode(("troubled", tmp_path / "x"), RULE).pixels, expected)


def test_a_picture_whose_profile_is_left_out_still_stands_upright() -> None:
    turned = np.rot90(np.asarray(Image.open(io.BytesIO(PNG))), -1)
    expected = decode(("x", np.ascontiguousarray(turned)), RULE)
    troubled = with_chunk(with_chunk(PNG, b"iCCP", b"profile\0\0" + LARGE), b"eXIf", EXIF_6)
    assert np.array_equal(decode(("x", troubled), RULE).pixels, expected.pixels)


def test_damaged_pixels_are_no_metadata() -> None:
    troubled = with_chunk(PNG, b"iCCP", b"profile\0\0" + LARGE)
    data = bytearray(troubled)
    data[-100] ^= 1  # within the pixels
    with pytest.raises(BadPictureError, match="cannot be read as an image"):
        decode(("x", bytes(data)), RULE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_in_every_format(orientation: int, form: str) -> None:
    image = Image.new("RGB", (24, 16), "black")
    image.paste("red", (0, 0, 12, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(("x", encoded(image, form, exif=exif)), FitRule(16, "stretch"))
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    red = picture.pixels[0, 2::12, 2::12] > 128  # (2, 2): one pixel of each quarter
    assert np.argwhere(red).tolist() == [list(corner)]
    assert (picture.width, picture.height) == ((24, 16) if orientation < 5 else (16, 24))


def test_a_jpeg_above_the_limit_is_read_at_half_its_size() -> None:
    slope = np.linspace(0, 255, 2048).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(slope, (1024, 1))] * 3, 2))  # 2 · 2^20 pixels
    rule = FitRule(64, "stretch", max_megapixels=1)
    whole, half = (decode(("x", encoded(image, "JPEG")), r) for r in (FitRule(64, "stretch"), rule))
    assert (whole.halved, half.halved) == (False, True)
    assert (half.width, half.height) == (2048, 1024)
    assert np.abs(whole.pixels.astype(int) - half.pixels).max() <= 2
    with pytest.raises(
        BadPictureError, match=r"2048×1024 pixels, over the limit of 1 million; .*--data\.max-megapixels"
    ):
        decode(("x", encoded(image, "PNG")), rule)
    decode(("x", encoded(image, "PNG")), FitRule(64, max_megapixels=2))


def test_more_than_four_times_the_limit_is_refused_in_a_jpeg_too() -> None:
    with pytest.raises(BadPictureError, match="over the limit"):
        decode(("x", encoded(Image.new("L", (4096, 1025)), "JPEG")), FitRule(8, max_megapixels=1))


def test_a_crop_of_a_halved_jpeg_is_of_the_same_place() -> None:
    image = Image.new("RGB", (2048, 1024), "black")
    image.paste("white", (1024 - 100, 512 - 100, 1024 + 100, 512 + 100))
    data = encoded(image, "JPEG")
    picture = decode(("x", data), FitRule(64, crop_pixels=400, max_megapixels=1))
    assert picture.pixels.mean() == pytest.approx(255 / 4, rel=0.03)
    with pytest.raises(BadPictureError, match=r"too small for --data\.crop-pixels 1025"):
        decode(("x", data), FitRule(64, crop_pixels=1025, max_megapixels=1))


def test_pillows_own_limit_is_in_force_again_afterwards() -> None:
    before = Image.MAX_IMAGE_PIXELS
    list(try_decode_all([("x", noise(8, 8))], RULE))
    assert before == Image.MAX_IMAGE_PIXELS


def test_transparency_is_told_where_there_is_any() -> None:
    solid, glass = np.full((8, 8, 4), 255, np.uint8), np.full((8, 8, 4), 200, np.uint8)
    assert not decode(("x", encoded(Image.fromarray(solid))), RULE).transparent
    assert decode(("x", encoded(Image.fromarray(glass))), RULE).transparent
    assert decode(("x", glass), RULE).transparent


def test_twelve_bits_fill_the_range_in_grey_colour_and_arrays() -> None:
    values = (np.arange(64, dtype=np.uint16) * 65).reshape(8, 8)  # up to 4,095
    rule = FitRule(8, bits=12)
    for payload in (encoded(Image.fromarray(values)), png_rgb16(values), values, np.stack([values] * 3, 2)):
        picture = decode(("x", payload), rule)
        assert np.array_equal(picture.pixels[1], values >> 4)
        assert picture.peak == 4095
    assert decode(("x", noise(8, 8)), rule).peak is None
    assert np.array_equal(decode(("x", noise(8, 8)), rule).pixels[0], noise(8, 8))  # 8 bits stay what they are


def test_alpha_has_all_its_bits_whatever_colours_use() -> None:
    values = np.full((8, 8, 4), 4095, np.uint16)
    values[..., 3] = 65535
    assert (decode(("x", values), FitRule(8, bits=12)).pixels == 255).all()


def test_a_value_above_the_bits_is_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(
        BadPictureError, match=r"holds the value 5,000, which takes 13 bits; give --data\.bits 13 or more"
    ):
        decode(("x", np.full((8, 8), 5000, np.uint16)), FitRule(8, bits=12))


def test_many_bad_pictures_are_named_together_with_their_count(tmp_path: Path) -> None:
    pictures = [(f"good{k}", noise(8, 8)) for k in range(100)]
    for k in range(30):
        pictures[3 * k] = (f"bad{k:02}", b"no picture")
    pictures[0] = ("gone", tmp_path / "gone.png")
    with pytest.raises(UserError) as caught:
        list(decode_all(pictures, RULE))
    said = str(caught.value)
    assert said.startswith("30 of 100 pictures cannot be used: ")
    assert said.endswith(" | and 10 more")
    assert [f"bad{k:02}" in said for k in range(1, 30)] == [k < NAMED for k in range(1, 30)]
    assert "gone: cannot be read (No such file or directory); check whether it was moved" in said
    assert said.count("its format is not known") == 1  # said once for all that share it


def test_one_bad_picture_is_told_as_itself() -> None:
    bad = BadPictureError("a.png", "is upside down")
    assert in_one_message([bad], 7) is bad
    assert str(bad) == "a.png: is upside down; repair or remove it"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), r"^x: cannot be read \(Permission denied\); ask its owner"),
        (
            OSError(5, "Input/output error"),
            r"^x: cannot be read \(Input/output error\); the disk or the network failed",
        ),
        (OSError(24, "Too many open files"), r"^x: cannot be read \(Too many open files\); .*ulimit"),
    ],
)
def test_what_the_operating_system_refuses_is_not_called_damaged(
    error: OSError, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadPictureError, match=said):
        decode(("x", tmp_path / "x.png"), RULE)


def test_running_out_of_memory_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(MemoryError):
        decode(("x", PNG), RULE)
