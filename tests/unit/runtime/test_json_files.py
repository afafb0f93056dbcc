"""Logs read back, settings compared, JSON files whole."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.json_files import read_jsonl, write_json


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
