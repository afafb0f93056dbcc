"""Downloads CIFAR-10 and STL-10 once, with progress and checksum, through pooch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from degas.data.cache import cache_folder
from degas.errors import UserError, nearest, unwritable
from degas.runtime.durable import share_as_umask_says
from degas.settings.sections import DataSettings


@dataclass(frozen=True)
class Archive:
    """An official archive: its URL, file name and md5, as its authors or torchvision state it."""

    url: str
    file_name: str
    md5: str


ARCHIVES = {
    "cifar10": Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
    ),
    "stl10": Archive(
        "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "stl10_binary.tar.gz",
        "91f7769df0f17e558f3565bffb0c7dfb",
    ),
}
# For `degas data info`: every official archive that degas reads, by file name.
OFFICIAL_MD5 = {archive.file_name: archive.md5 for archive in ARCHIVES.values()} | {
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"
}


def archive_path(name: str, folder: Path | None = None) -> Path:
    """Return the path where `fetch` saves archive `name`: in `folder`, or in the cache folder's `archives`."""
    return (folder or cache_folder(DataSettings()) / "archives") / ARCHIVES[name].file_name


def fetch(name: str, folder: Path | None = None, *, quiet: bool = False) -> Path:
    """Download archive `name` unless present, check its md5 and return its path; else raise one `UserError`."""
    if name not in ARCHIVES:
        raise UserError(f"degas data fetch: unknown data set '{name}'{nearest(name, ARCHIVES)}")
    archive, path = ARCHIVES[name], archive_path(name, folder)
    if path.is_file() and file_md5(path) == archive.md5:
        return path
    pooch = _pooch()
    try:
        with _progress(f"fetch {archive.file_name}", quiet) as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar or False, timeout=30)
            pooch.retrieve(archive.url, f"md5:{archive.md5}", fname=path.name, path=path.parent, downloader=downloader)
    except Exception as error:  # requests' errors, pooch's ValueError for a checksum, a full disk
        raise unwritable(path, error) or UserError(_instructions(archive, path, error)) from error
    share_as_umask_says(path)
    return path


def _instructions(archive: Archive, path: Path, error: Exception) -> str:
    reason = "its checksum is wrong" if "hash" in str(error).lower() else type(error).__name__
    present = ", and the existing file is damaged" if path.exists() else ""
    return (
        f"{archive.url} could not be downloaded ({reason}){present}; "
        f"download it elsewhere (md5 {archive.md5}) and put it at {path}"
    )


def file_md5(path: Path) -> str:
    """Return the md5, the published checksum of data sets: it detects damage, not tampering."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _pooch() -> Any:
    try:
        pooch = import_module("pooch")
    except ImportError as error:
        raise UserError(
            "degas data fetch needs the library pooch; in degas' folder: pip install -e '.[data]'"
        ) from error
    pooch.get_logger().setLevel("WARNING")
    return pooch


class _Bar:
    """A rich progress bar with pooch's interface; pooch sets `total` from the server's answer."""

    def __init__(self, display: Any, task: Any) -> None:
        self._display, self._task = display, task
        self.total = 0

    def update(self, num_bytes: int) -> None:
        self._display.update(self._task, advance=num_bytes, total=self.total or None)

    def reset(self) -> None:
        self._display.reset(self._task, total=self.total or None)

    def close(self) -> None:
        """The display closes itself."""


@contextmanager
def _progress(title: str, quiet: bool) -> Iterator[_Bar | None]:
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from degas.runtime.progress import is_live

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    if not is_live(console):
        console = Console(stderr=True, force_terminal=False)  # only its last state
    with Progress(*columns, console=console) as display:
        yield _Bar(display, display.add_task(title, total=None))
