"""The files of an official data set, in their tar archive or unpacked; each is named by the last part of its path."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from degas.data.archives import check_name
from degas.errors import UserError, unreadable

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_MAX_WHOLE_BYTES = 512 * 2**20  # of a file read at once; the largest official one has 221 MB
_MAX_MEMBER_BYTES = 8 * 2**30  # of any file; the largest official one has 2.8 GB
_MAX_PADDING = 2**24  # zeros after the last file
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)  # an OSError without a number: gzip, bzip2


class Members:
    """Files below `path`, a folder or a tar archive; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def where(self, name: str) -> str:
        """Return the name of file `name` in messages."""
        return str(self.path / name) if self.path.is_dir() else f"{self.path}: {name}"

    def first_of(self, names: Iterable[str]) -> str | None:
        """The first of `names` that exists; in an archive the first in its order, which avoids unpacking 3 GB."""
        if self.path.is_dir():
            return next((name for name in names if (self.path / name).is_file()), None)
        known = set(names)
        with _damage_named(self.path), tarfile.open(self.path, "r:*") as archive:
            return next((name for m in self._regular(archive) if (name := Path(m.name).name) in known), None)

    def sizes_and_contents(self, wanted: Iterable[str]) -> tuple[dict[str, int], dict[str, bytes]]:
        """Sizes in bytes of all files, and the contents of those `wanted` that exist, in one pass."""
        sizes: dict[str, int] = {}
        contents: dict[str, bytes] = {}
        wanted = set(wanted)
        with _damage_named(self.path), closing(self._files()) as files:
            for name, size, stream in files:
                if name in wanted and name not in sizes:
                    if size > _MAX_WHOLE_BYTES:
                        raise UserError(f"{self.where(name)}: {size >> 20} MiB, far above the official size; rejected")
                    contents[name] = stream.read(size)
                sizes.setdefault(name, size)
        return sizes, contents

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """File `name`, open at its beginning."""
        with _damage_named(self.path), closing(self._files()) as files:
            for found, _, stream in files:
                if found == name:
                    yield stream
                    return
        raise UserError(f"{self.where(name)}: missing")

    def _files(self) -> Generator[tuple[str, int, IO[bytes]]]:
        if self.path.is_dir():
            for path in sorted(p for p in self.path.iterdir() if p.is_file()):
                with path.open("rb") as stream:
                    yield path.name, path.stat().st_size, stream
            return
        with tarfile.open(self.path, "r:*") as archive:
            for member in self._regular(archive):
                with archive.extractfile(member) or io.BytesIO() as stream:
                    yield Path(member.name).name, member.size, stream
            # read to the end, where compression stores its checksum, unless the end is suspiciously far
            while archive.fileobj is not None and archive.fileobj.tell() < archive.offset + _MAX_PADDING:
                if not archive.fileobj.read(2**16):
                    break

    def _regular(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for member in archive:
            check_name(self.path, member.name)
            if member.size > _MAX_MEMBER_BYTES:
                raise UserError(f"{self.path}: {member.name} unpacks to {member.size >> 30} GiB; rejected")
            if member.isfile():
                yield member


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(error.filename or path, error) from error
        raise UserError(f"{path}: damaged or truncated ({error or type(error).__name__}); download it again") from error
