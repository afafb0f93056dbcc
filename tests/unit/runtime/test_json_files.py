"""Logs read back, settings compared, JSON files whole."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.json_files import read_jsonl, read_object, write_json


def test_reading_logs(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_jsonl(path) == []
    path.write_text('{"step": 1}\n\n{"step": 2}\n')
    assert read_jsonl(path) == [{"step": 1}, {"step": 2}]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"log.jsonl:2: not a JSON object"):
        read_jsonl(path)


def test_write_json_replaces_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.json"
    write_json(path, {"a": [1, (2, 3)], "é": Path("/x")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, [2, 3]], "é": "/x"}
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": math.inf})

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=f"{tmp_path}: the disk is full"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == [1, [2, 3]]


def test_an_object_is_read_or_one_line_says_why_not(tmp_path: Path) -> None:
    def wrong(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            read_object(path, missing="there is none", advice="mend it")
        return str(caught.value)

    path = tmp_path / "a.json"
    assert wrong(path) == wrong(path / "below") == "there is none"
    path.write_text('{"a": 1}')
    assert read_object(path, missing="", advice="") == {"a": 1}
    assert wrong(path / "below") == "there is none"
    for content, why in (("[1]", "not a JSON object"), ('{"a', "not readable as JSON ("), ("[" * 9999, "not readable")):
        path.write_text(content)
        assert wrong(path).startswith(f"{path}: {why}")
        assert wrong(path).endswith("; mend it")
        assert "\n" not in wrong(path)
    assert wrong(tmp_path) == f"{tmp_path}: cannot be read (Is a directory); a file is expected; correct the path"
