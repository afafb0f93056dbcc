from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.data import archives
from degas.data.sources import load_images
from degas.errors import UserError
from degas.settings.sections import DataSettings


def picture() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refuse(path: Path, tmp_path: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        load_images(str(path), DataSettings(cache=tmp_path / "cache"))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    cached = tmp_path / "cache" / "images"
    assert not cached.exists() or not [p for p in cached.iterdir() if p.is_dir()]


@pytest.mark.parametrize(
    "name", ["../outside.png", "a/../../outside.png", "/etc/x.png", "..\\outside.png", "C:\\x.png"]
)
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    refuse(
        make_zip(tmp_path / "slip.zip", {"ok.png": picture(), name: picture()}),
        tmp_path,
        "would be unpacked outside its folder",
    )


def test_an_exploding_archive_is_refused_by_its_ratio(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "_RATIO_FROM_BYTES", 2**20)
    bomb = make_zip(tmp_path / "bomb.zip", {"x.bmp": bytes(4 * 2**20)}, zipfile.ZIP_DEFLATED)
    refuse(bomb, tmp_path, "would unpack to 4 MiB")


def test_a_huge_picture_is_refused_by_its_size(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    refuse(make_zip(tmp_path / "huge.zip", {"x.png": picture()}), tmp_path, r"x\.png: unpacks to")


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "over.zip", {f"{k}.png": picture() for k in range(3)})
    data = bytearray(path.read_bytes())
    entries = [i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02"]
    for entry in entries:  # every entry claims three times the packed bytes that it has
        (packed,) = struct.unpack_from("<I", data, entry + 20)
        struct.pack_into("<II", data, entry + 20, 3 * packed, 3 * packed)
    path.write_bytes(data)
    refuse(path, tmp_path, "its members overlap, as in a zip bomb")


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.0])
def test_a_truncated_archive_is_named(tmp_path: Path, keep: float) -> None:
    path = make_zip(tmp_path / "cut.zip", {f"{k}.png": picture() for k in range(5)})
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    refuse(path, tmp_path, "damaged or truncated zip")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "flipped.zip", {"x.png": picture()})
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    refuse(path, tmp_path, r"flipped\.zip: x\.png: damaged \(Bad CRC-32.*\); repair or remove it")


def test_every_bad_member_is_named_at_once(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "flipped.zip", {f"{k}.png": picture() for k in range(5)})
    data = bytearray(path.read_bytes())
    for k in (1, 3):
        data[data.index(b"%d.png" % k) + 500] ^= 1
    path.write_bytes(data)
    refuse(path, tmp_path, r"^2 of 5 pictures cannot be used: .*1\.png: damaged .*3\.png: damaged")


def pretend_method(path: Path, method: int) -> None:
    """Every member claims to be packed by `method`."""
    data = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        parts = data.split(signature)
        inner = [part[: offset - 4] + struct.pack("<H", method) + part[offset - 2 :] for part in parts[1:]]
        data = signature.join([parts[0], *inner])
    path.write_bytes(data)


def test_deflate64_is_named_and_not_called_damage(tmp_path: Path) -> None:
    """What Windows' own packer takes for large files."""
    path = make_zip(tmp_path / "windows.zip", {"a.png": picture(), "b.png": picture()})
    pretend_method(path, 9)
    said = "a.png, .*b.png: is packed by Deflate64, which Python cannot unpack; unpack the archive and name the folder"
    refuse(path, tmp_path, said)


def test_an_npz_in_deflate64_is_one_line_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((4, 8, 8), np.uint8))
    pretend_method(tmp_path / "x.npz", 9)
    refuse(tmp_path / "x.npz", tmp_path, "cannot be read")


@pytest.mark.parametrize("name", ["x.zip", "x.npz", "x.tar.gz", "x.parquet"])
@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"), OSError(24, "Too many files")]
)
def test_what_the_operating_system_refuses_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: OSError
) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\3\4 whatever it holds, it may be sound")

    def refusing(module: str, function: str) -> None:
        def refuse(*_, **__):
            raise error

        monkeypatch.setattr(f"{module}.{function}", refuse)

    if name.endswith("parquet"):
        pytest.importorskip("datasets", reason="parquet comes with the extra `data`")
        refusing("pyarrow.parquet", "read_table")
    else:
        refusing("zipfile", "ZipFile") if name[2] in "zn" else refusing("tarfile", "open")
    with pytest.raises(UserError) as caught:
        load_images(str(path), DataSettings(cache=tmp_path / "cache"))
    assert str(caught.value).startswith(f"{path}: cannot be read ({error.strerror}); ")
    assert not {"damaged", "download"} & set(str(caught.value).split())


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "secret.zip", {"x.png": picture()})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    refuse(path, tmp_path, "encrypted")


def test_dots_inside_names_are_harmless(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "fine.zip", {"a..b/x..png.png": picture()})
    assert load_images(str(path), DataSettings(cache=tmp_path / "cache")).num_images == 1
