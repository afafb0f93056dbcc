"""Files that are whole or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from degas.errors import UserError
from degas.runtime.durable import append_line, full_disk_named, replace_file, sync_folder


def test_replace_file_writes_and_overwrites(tmp_path: Path) -> None:
    for data in (b"one", b"", b"three"):
        replace_file(tmp_path / "a.json", data)
        assert (tmp_path / "a.json").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_failed_replacement_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    replace_file(tmp_path / "a.json", b"old")

    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, operation, fail)
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_append_line_takes_half_a_line_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "log.jsonl", os.write
    append_line(path, "first é")

    def three_bytes_then_full(descriptor: int, data: memoryview) -> int:
        if os.fstat(descriptor).st_size > len("first é\n".encode()):
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", three_bytes_then_full)
        with pytest.raises(OSError, match="full"):
            append_line(path, "second")
    append_line(path, "third")
    assert path.read_text(encoding="utf-8") == "first é\nthird\n"


def test_append_line_finishes_after_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:1]))
    append_line(tmp_path / "log.jsonl", "whole")
    assert (tmp_path / "log.jsonl").read_text() == "whole\n"


def _raise_inside(folder: Path, number: int) -> None:
    with full_disk_named(folder, "while testing"):
        raise OSError(number, "full")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_named(tmp_path: Path, number: int) -> None:
    with pytest.raises(UserError, match=r"the disk is full \(while testing\).*then resume") as caught:
        _raise_inside(tmp_path, number)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_full_disk_named_lets_other_errors_through(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_named(tmp_path, "while testing"):
        raise PermissionError(errno.EACCES, "no")


def test_a_disk_that_cannot_sync_folders_is_let_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> None:
        def fsync(descriptor: int) -> None:
            raise OSError(number, "refused")

        monkeypatch.setattr(os, "fsync", fsync)

    refuse(errno.EINVAL)
    sync_folder(tmp_path)
    refuse(errno.EIO)
    with pytest.raises(OSError, match="refused"):
        sync_folder(tmp_path)
