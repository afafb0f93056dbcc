"""The files of a folder or a zip file: pictures, other files, and notes on folders that are not read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from degas.data.archives import DAMAGE, member_name, open_zip, read_member
from degas.data.bad_pictures import BadPictureError
from degas.data.encoded import is_picture
from degas.data.notes import Note, counted
from degas.errors import UserError
from degas.runtime.names import composed
from degas.runtime.run_folder import STAGE_ENTRIES, STAGES, holds_run

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"
)  # fmt: skip
# Suffixes that are never pictures: these files are not opened.
TEXTS = (
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
    ".md",
    ".html",
    ".py",
    ".pdf",
    ".mat",
    ".npy",
)
# Suffixes of pictures that are left out unless this build of Pillow reads them.
FOREIGN = (
    ".avif", ".heic", ".heif", ".hif", ".jxl", ".svg", ".psd", ".exr", ".hdr", ".tga", ".ico",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".orf", ".rw2",
)  # fmt: skip
_LITTER = ("thumbs.db", "desktop.ini", "icon\r")  # of file managers


class File(NamedTuple):
    """`parts`: its path below the source, composed; `key`: opens it; `stamp`: its bytes and times.

    A plain tuple, since there may be hundreds of thousands.
    """

    parts: tuple[str, ...]
    key: str
    stamp: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def folders(self) -> tuple[str, ...]:
        return self.parts[:-1]


@dataclass
class Tree:
    """Pictures and other files, sorted folder by folder: a plain sort would put a-b/ before a/.

    `where` names the source in messages; `read(file)` gives the contents of a small file; `notes` lists what was not
    read. Hidden files are in neither list.
    """

    where: str
    pictures: list[File]
    others: list[File]
    read: Callable[[File], bytes]
    notes: tuple[Note, ...] = ()
    packed: bool = False

    def place(self, file: File) -> str:
        """Return the name of a file in messages."""
        return f"{self.where}{': ' if self.packed else '/'}{file.name}"


def folder_tree(root: Path, out: Path | None = None) -> Tree:
    """The files below `root`, except in a folder with a run and in `out`, the caller's output folder.

    Links to files and to folders outside are followed. A link to a folder that is read anyway is left out, so that the
    result does not depend on the file system's order, and loops end.
    """
    if holds_run(root):
        raise UserError(f"{root}: holds a run of degas; give only the folder of the images")
    if out is not None and out.is_dir() and out.samefile(root):
        raise UserError(f"--out: {out} is the folder of the images; give another one")
    walk = _Walk(out.resolve() if out is not None else None)
    try:
        walk.enter(str(root), "")
        walk.follow_links()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error
    pictures, others = _sorted_out(walk.found, lambda file: is_picture(root / file.key))
    return Tree(str(root), pictures, others, lambda file: (root / file.key).read_bytes(), walk.notes())


def zip_tree(path: Path) -> Tree:
    """The members of a zip file, from its directory."""
    with open_zip(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        found = {member_name(info): info for info in members if not _hidden(member_name(info))}

        def readable(file: File) -> bool:
            with (
                suppress(RuntimeError, *DAMAGE),
                archive.open(file.key) as stream,
            ):  # encrypted, or of unknown compression
                return is_picture(stream)
            return False

        runs = _runs_among(found)
        files = [File(_parts(name), info.filename) for name, info in found.items() if not name.startswith(runs)]
        pictures, others = _sorted_out(files, readable)

    def read(file: File) -> bytes:
        with open_zip(path) as again:
            content = read_member(again, file.key, path)
        if isinstance(content, BadPictureError):
            raise content
        return content

    return Tree(str(path), pictures, others, read, _runs_notes([run.rstrip("/") for run in runs]), packed=True)


@dataclass
class _Walk:
    """One pass over a folder; the result does not depend on the file system's order."""

    out: Path | None
    found: list[File] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)  # (name with a slash, path), not followed yet
    idle_links: list[str] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def enter(self, folder: str, prefix: str) -> None:
        """Add the files of `folder` and of the folders in it."""
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in self.seen:
            if prefix:
                self.idle_links.append(prefix.rstrip("/"))
            return
        self.seen.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _hidden_name(entry.name):
                    self._take(entry, prefix + entry.name)

    def follow_links(self) -> None:
        """Enter the targets of links to folders, by name, so that the order of creation does not matter."""
        while self.links:
            waiting, self.links = sorted(self.links), []
            for prefix, path in waiting:
                self.enter(path, prefix)

    def notes(self) -> tuple[Note, ...]:
        links = counted(
            "link",
            sorted(self.idle_links),
            "link is left out, since its folder is read under its own name",
            "links are left out, since their folders are read under their own names",
        )
        return (*_runs_notes(sorted(self.runs)), *links)

    def _take(self, entry: os.DirEntry[str], name: str) -> None:
        if entry.is_dir():
            if holds_run(Path(entry.path)):
                self.runs.append(name)
            elif self._is_out(entry):
                _reject_pictures(Path(entry.path))
            elif entry.is_symlink():
                self.links.append((f"{name}/", entry.path))
            else:
                self.enter(entry.path, f"{name}/")
        elif entry.is_file():
            status = entry.stat()
            stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            self.found.append(File(_parts(name), name, stamp))
        elif name.lower().endswith(SUFFIXES):
            raise UserError(f"{entry.path}: is not a file but a broken link, a pipe or a device; remove it")

    def _is_out(self, entry: os.DirEntry[str]) -> bool:
        return self.out is not None and entry.name == self.out.name and Path(entry.path).resolve() == self.out


def _reject_pictures(out: Path) -> None:
    """Raise `UserError` if the output folder holds pictures of the user."""
    found = sorted(path.name for path in out.rglob("*") if path.name.lower().endswith(SUFFIXES))
    if found:
        raise UserError(f"--out: {out} lies among the images and holds {found[0]}; give a new folder")


def _runs_notes(runs: list[str]) -> tuple[Note, ...]:
    return counted("run", runs, "folder with a run is left out", "folders with runs are left out")


def _runs_among(names: Iterable[str]) -> tuple[str, ...]:
    """The folders of runs, with a slash, among the names in an archive; `holds_run` for archives."""
    names = set(names)
    configs = [name.removesuffix("config.json") for name in names if name.endswith("/config.json")]
    stages = [folder for folder in configs if any(folder + entry in names for entry in STAGE_ENTRIES)]
    parents = {folder: folder.rstrip("/").rpartition("/") for folder in stages}
    runs = {f"{top}/" if top and stage in STAGES else folder for folder, (top, _, stage) in parents.items()}
    return tuple(sorted(runs))


def _parts(name: str) -> tuple[str, ...]:
    return tuple(composed(name).split("/"))


def _hidden(name: str) -> bool:
    *folders, file = name.split("/")
    return _hidden_name(file) or any(_hidden_name(folder) for folder in folders)


def _hidden_name(name: str) -> bool:
    """Return whether a file or folder of this name is ignored; called for every entry of a large folder."""
    return name.startswith(".") or name == "__MACOSX" or name.lower() in _LITTER


def _sorted_out(files: Iterable[File], readable: Callable[[File], bool]) -> tuple[list[File], list[File]]:
    """Return pictures and other files, each in order. A file with an unknown suffix is opened to find out."""
    pictures: list[File] = []
    others: list[File] = []
    for file in sorted(files):
        name = file.parts[-1].lower()
        known = name.endswith(SUFFIXES) or (not name.endswith(TEXTS) and readable(file))
        (pictures if known else others).append(file)
    return pictures, others


def left_out(files: Iterable[File]) -> tuple[Note, ...]:
    """Return notes on files that are not read."""
    files = list(files)
    foreign = [file.name for file in files if file.name.lower().endswith(FOREIGN)]
    rest = [file.name for file in files if not file.name.lower().endswith(FOREIGN)]
    endings = ", ".join(sorted({PurePosixPath(name).suffix.lower() for name in foreign}))
    return (
        *counted(
            "unread_format",
            foreign,
            f"picture is left out: its format ({endings}) cannot be read here; save it as PNG or JPEG",
            f"pictures are left out: their format ({endings}) cannot be read here; save them as PNG or JPEG",
        ),
        *counted("other_file", rest, "other file is left out", "other files are left out"),
    )
