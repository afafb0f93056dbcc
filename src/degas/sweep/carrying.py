"""Run folders as bytes, for nodes that do not see the sweep's disk: packed there, and put in place here.

A folder is packed while its trial writes. Checkpoints are read first: a log holds every step of a checkpoint before the
checkpoint is saved, so a packed log is never older, and a resumed run ends with the same bytes.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUN, LOG = "run", "log.txt"  # the entries of a package
UNPACKED = ".lock"  # belongs to a process, not to a run
# Nothing outside the folder, no links; Pythons before 3.11.4 do not know it, and a package is our own node's.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def pack(run: Path, log: Path) -> bytes:
    """The run folder and the log as one tar file; files that vanish meanwhile are left out."""
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w") as tar:
        for path, name in [*_files(run), (log, LOG)]:
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return package.getvalue()


def unpack(package: bytes, run: Path, log: Path) -> None:
    """Put a packed run folder in the place of `run`, and the log in that of `log`.

    The folder is the old one or the new one, also after a crash at any moment (`recover`).
    """
    new, old = _aside(run)
    shutil.rmtree(new, ignore_errors=True)
    for folder in (new, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        tar.extractall(new, **SAFELY)
    if (new / LOG).exists():
        os.replace(new / LOG, log)
    (new / RUN).mkdir(exist_ok=True)
    recover(run)
    if run.exists():
        os.replace(run, old)
    os.replace(new / RUN, run)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)


def recover(run: Path) -> None:
    """Put back a run folder that an interrupted `unpack` has moved aside."""
    _, old = _aside(run)
    if old.exists():
        if run.exists():
            shutil.rmtree(old)
        else:
            os.replace(old, run)


def _aside(run: Path) -> tuple[Path, Path]:
    return run.with_name(f".{run.name}.new"), run.with_name(f".{run.name}.old")


def _files(run: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a run folder with its name in the package, checkpoints first."""
    found = [path for path in run.rglob("*") if path.name != UNPACKED and path.is_file()]
    for path in sorted(found, key=lambda path: ("checkpoints" not in path.parts, path)):
        yield path, f"{RUN}/{path.relative_to(run).as_posix()}"
