"""Untrusted zip and tar files: nothing is unpacked to disk, and no member larger than expected is read."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from degas.data.bad_pictures import BadPictureError
from degas.errors import UserError, system_reason, unreadable

MAX_MEMBER_BYTES = 256 * 2**20  # one encoded picture
MAX_RATIO = 200  # pictures hardly shrink in a zip; deflate's limit is about 1000
_UTF8 = 0x800  # the flag of a name in UTF-8; without it, names are in code page 437
# Errors from damaged bytes; bzip2 raises an `OSError` without a number, unlike the operating system.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
_UNPACK = "unpack the archive and name the folder"
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 97: "WavPack", 98: "PPMd"}
_RATIO_FROM_BYTES = 2**30  # small archives of uniform pictures may shrink more, which is harmless


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive and check its members: no name leaves the folder, no member expands too much.

    Damage, a system error and a format that Python cannot unpack each raise a separate `UserError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            yield archive
    except OSError as error:
        raise _damaged(path, error) if error.errno is None else unreadable(path, error) from error
    except DAMAGE as error:
        raise _damaged(path, error) from error
    except NotImplementedError as error:  # a later version of the format, or several disks
        raise UserError(f"{path}: {_reason(error)}, which Python cannot unpack; {_UNPACK}") from error


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes | BadPictureError:
    """Return the contents of a picture's member, or its error: one bad member does not hide the others."""
    info, where = archive.getinfo(name), f"{path}: {name}"
    if info.file_size > MAX_MEMBER_BYTES:
        return BadPictureError(where, f"unpacks to {info.file_size >> 20} MiB, over the limit of 256", "leave it out")
    if info.flag_bits & 1:
        return BadPictureError(where, "is encrypted", _UNPACK)
    try:
        return archive.read(info)
    except NotImplementedError:
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        return BadPictureError(where, f"is packed by {method}, which Python cannot unpack", _UNPACK)
    except OSError as error:
        return BadPictureError(where, *(system_reason(error) if error.errno else (f"damaged ({_reason(error)})",)))
    except DAMAGE as error:
        return BadPictureError(where, f"damaged ({_reason(error)})")


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: damaged or truncated zip file ({_reason(error)}); download it again")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def member_name(info: zipfile.ZipInfo) -> str:
    """The member's path with slashes: Windows' tools write backslashes, macOS' tool writes UTF-8 without the flag."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def check_name(path: Path, name: str) -> None:
    """Raise `UserError` for a member whose path leaves the folder of the unpacked archive."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and parts.parts[0].endswith(":")):
        raise UserError(f"{path}: member '{name}' would be unpacked outside its folder; do not trust this archive")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for info in members:
        check_name(path, info.filename)
    packed = sum(info.compress_size for info in members)
    unpacked = sum(info.file_size for info in members)
    if packed > path.stat().st_size:
        raise UserError(f"{path}: its members overlap, as in a zip bomb; rejected")
    if unpacked > _RATIO_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise UserError(f"{path}: would unpack to {unpacked >> 20} MiB, over {MAX_RATIO} times its size; rejected")
