"""The cache can be looked through and emptied, and serves everybody whom the umask lets in."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degas.cli import main as cli
from degas.data.cache_contents import cache_entries, clear
from degas.data.sources import load_images
from degas.errors import UserError
from degas.runtime.durable import share_as_umask_says
from degas.settings.sections import DataSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with two sets of images, a statistics file and a download; the first set was last used 40 days ago."""
    root = tmp_path / "cache"
    for name in ("old", "new"):
        for k in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.full((8, 8), 9 * k, np.uint8)).save(tmp_path / name / f"{k}.png")
        load(tmp_path / name)
    for part in ("statistics", "archives"):
        (root / part).mkdir()
        (root / part / f"{part}.bin").write_bytes(bytes(2**20))
    then = time.time() - 40 * 86_400
    (old,) = (entry for entry in cache_entries(root) if "old" in entry.words)
    os.utime(old.path / "about.json", (then, then))
    return root


def load(source: Path) -> None:
    load_images(str(source), DataSettings(cache=source.parent / "cache", image_size=8))


def kinds(folder: Path) -> list[str]:
    return [entry.kind for entry in cache_entries(folder)]


def test_the_listing_says_what_lies_there_and_what_could_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "cache", "--folder", str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"cache     {folder}, 2.0 MiB"
    assert [line.split()[0] for line in out[1:]] == ["downloads", "images", "images", "statistics", "advice"]
    assert "used 40 days ago" in out[2]
    assert out[2].endswith(f"{folder.parent / 'old'}, 3×1×8×8")
    assert out[-1].endswith("unused for 30 days: degas data cache --clear --unused-days 30")


def test_loading_counts_as_use(folder: Path) -> None:
    load(folder.parent / "old")
    assert all(entry.unused_days() < 1 for entry in cache_entries(folder))


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--unused-days", "30"], ["downloads", "images", "statistics"]),
        ([], ["downloads"]),
        (["--downloads"], []),
    ],
)
def test_clearing(folder: Path, options: list[str], left: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "cache", "--clear", "--folder", str(folder), *options]) == 0
    assert kinds(folder) == left
    assert f"cleared   {4 - len(left)} of 4, " in capsys.readouterr().out
    load(folder.parent / "old")  # made anew
    assert "images" in kinds(folder)


def test_what_is_being_built_stays(folder: Path) -> None:
    entries = [entry for entry in cache_entries(folder) if entry.kind == "images"]
    with entries[0].path.with_name(f"{entries[0].path.name}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert clear(entries)[0] == 1
    assert entries[0].path.is_dir()


def test_an_empty_cache_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "cache", "--folder", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == f"cache     {tmp_path / 'none'}, 0.0 MiB\n"


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_what_is_cached_is_for_whom_the_umask_says(tmp_path: Path, umask: int) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "a.png")
    before = os.umask(umask)
    try:
        load(tmp_path / "data")
        (tmp_path / "archive").touch(0o600)
        share_as_umask_says(tmp_path / "archive")
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in [*files, tmp_path / "archive"]} == {0o666 & ~umask}


def test_an_entry_that_may_not_be_read_is_told_and_not_called_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "about.json")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(
        UserError, match=r"--data\.cache: about\.json: cannot be read \(Permission denied\); ask its owner"
    ):
        load(folder.parent / "new")
