"""Small folders and zip files as users bring them: layouts of other programs, other systems, other habits."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image


def encoded(value: int, kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    """A picture of one colour, whose red channel is `value`."""
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(stream, kind)
    return stream.getvalue()


def put(root: Path, files: dict[str, bytes | str]) -> Path:
    """Write `files` by name below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def pictures(names: Iterable[str]) -> dict[str, bytes | str]:
    """A picture for each name, which gets .png; its value is its place."""
    return {f"{name}.png": encoded(k) for k, name in enumerate(names)}


def zipped(path: Path, files: dict[str, bytes | str], *, backslashes: bool = False, unflagged: bool = False) -> Path:
    """`files` in a zip; with the separator of Windows, or, as macOS does, in UTF-8 without the flag that says so."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = _Unflagged("x") if unflagged else zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\") if backslashes else name
            archive.writestr(info, content)
    return path


class _Unflagged(zipfile.ZipInfo):
    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode(), self.flag_bits


def stylegan(labels: Any, count: int = 6) -> dict[str, bytes | str]:
    """Numbered folders of a few pictures each, and dataset.json with `labels` (picture i ↦ label), or null."""
    names = [f"{i // 2:05d}/img{i:08d}" for i in range(count)]
    rows = None if labels is None else [[f"{name}.png", label] for name, label in zip(names, labels, strict=True)]
    return {**pictures(names), "dataset.json": json.dumps({"labels": rows})}


def a_run(stage: str = "search") -> dict[str, bytes | str]:
    """What a run folder holds that matters here: a stage's claim, a grid of ours beside it."""
    return {
        f"{stage}/config.json": json.dumps({"kind": stage, "seed": 0}),
        f"{stage}/environment.json": "{}",
        f"{stage}/reconstructions.png": encoded(200),
        "samples.png": encoded(201),
    }
