"""Zip and tar files of strangers: nothing is unpacked to disk, and nothing larger than expected is read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from degas.errors import UserError

MAX_MEMBER_BYTES = 256 * 2**20  # one encoded picture
MAX_RATIO = 200  # pictures hardly shrink in a zip; deflate's limit is about 1000
_RATIO_FROM_BYTES = 2**30  # small archives of flat pictures may well shrink more, and harm nobody


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose members have been checked: no name leaves the folder, no explosion. Damage → `UserError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise UserError(f"{path}: damaged or truncated zip file ({error}); fetch it anew") from error


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """The contents of a picture's member."""
    info = archive.getinfo(name)
    if info.file_size > MAX_MEMBER_BYTES:
        raise UserError(f"{path}: {name} unpacks to {info.file_size >> 20} MiB, over the limit of 256; refused")
    if info.flag_bits & 1:
        raise UserError(f"{path}: {name} is encrypted; unpack the archive and name the folder")
    return archive.read(info)


def first_name(path: Path) -> str:
    """The first member's name, from the first bytes alone: a directory of 200,000 members takes a second to read."""
    with path.open("rb") as stream:
        header = stream.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            return ""
        return stream.read(int.from_bytes(header[26:28], "little")).decode("utf-8", "replace")


def check_name(path: Path, name: str) -> None:
    """Refuse a member that would lie outside the folder it is unpacked to."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and parts.parts[0].endswith(":")):
        raise UserError(f"{path}: member '{name}' would leave its folder; the archive is not to be trusted")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for info in members:
        check_name(path, info.filename)
    packed = sum(info.compress_size for info in members)
    unpacked = sum(info.file_size for info in members)
    if packed > path.stat().st_size:
        raise UserError(f"{path}: its members overlap, as in a zip bomb; refused")
    if unpacked > _RATIO_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise UserError(f"{path}: would unpack to {unpacked >> 20} MiB, {MAX_RATIO} times its size and more; refused")
