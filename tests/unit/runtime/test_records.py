"""Logs read back, settings compared, JSON files whole."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from degas.errors import UserError
from degas.runtime.records import as_json, read_jsonl, refuse_difference, write_json


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


def test_equal_settings_pass_whatever_the_order_of_their_keys() -> None:
    old = as_json({"a": {"x": (1, 2), "y": 1e-3}, "b": None})
    refuse_difference(Path("RUN"), old, as_json({"b": None, "a": {"y": 0.001, "x": [1, 2]}}))


def test_of_several_differences_the_first_is_named() -> None:
    old = {"a": {"x": 1, "y": 2}, "b": 3}
    with pytest.raises(UserError, match=r"a\.y was 2 and is 5 now"):
        refuse_difference(Path("RUN"), old, {"b": 4, "a": {"x": 1, "y": 5}})
    with pytest.raises(UserError, match=r"b was 3 and is unset now"):
        refuse_difference(Path("RUN"), old, {"a": {"x": 1, "y": 2}, "c": 1})


def test_a_setting_that_is_unset_equals_one_that_a_release_did_not_have(tmp_path: Path) -> None:
    refuse_difference(tmp_path, {"gan": {"a": 1}, "old": None}, {"gan": {"a": 1, "critic": None}})
    with pytest.raises(UserError, match=r"gan\.critic was unset and is \"mine\" now"):
        refuse_difference(tmp_path, {"gan": {"a": 1}}, {"gan": {"a": 1, "critic": "mine"}})
