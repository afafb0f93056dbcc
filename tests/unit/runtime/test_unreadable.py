"""One cause, one sentence: what the operating system refuses is never called damaged, wherever files are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from degas.errors import UserError, unreadable, unwritable
from degas.evaluation.extractors import classifier
from degas.evaluation.stage import save_evaluation
from degas.generator import generator as generators
from degas.generator.generator import Generator
from degas.runtime import checkpoint

REFUSALS = [
    (PermissionError(13, "Permission denied"), "cannot be read (Permission denied); ask its owner for permission"),
    (
        OSError(5, "Input/output error"),
        "cannot be read (Input/output error); the disk or the network failed; try again",
    ),
    (OSError(24, "Too many open files"), "cannot be read (Too many open files); close other programs, or raise"),
]


def read_checkpoint(folder: Path, refuse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be sound: an older one must not silently take its place."""
    for step in (1, 2):
        checkpoint.save_checkpoint(folder, step, {"x": torch.ones(2)})
    monkeypatch.setattr(checkpoint, "_read", refuse)
    checkpoint.load_newest(folder, pytest.fail)


def read_generator(folder: Path, refuse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"width": 2, "noise_size": 2, "base_size": 4, "num_stages": 1, "channels": 1}
    Generator.from_baseline("dcgan", **sizes).save(folder)
    monkeypatch.setattr(generators, "load_file", refuse)
    Generator.load(folder)


def read_classifier(folder: Path, refuse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    monkeypatch.setattr(Path, "read_text", refuse)
    classifier.ClassifierExtractor.load(folder)


def read_scores(folder: Path, refuse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They must not be written over."""
    monkeypatch.setattr(Path, "read_text", refuse)
    save_evaluation(folder, {"scores": {}, "data": {}, "generator": {}}, {}, [])


@pytest.mark.parametrize("read", [read_checkpoint, read_generator, read_classifier, read_scores])
@pytest.mark.parametrize(("error", "said"), REFUSALS)
def test_every_reader(
    read: Callable[..., None], error: OSError, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    with pytest.raises(UserError) as caught:
        read(tmp_path, refuse, monkeypatch)
    assert str(caught.value).startswith(str(tmp_path))
    assert said in str(caught.value)
    assert not {"damaged", "download"} & set(str(caught.value).split())


@pytest.mark.parametrize(("error", "said"), REFUSALS)
def test_the_sentence(error: OSError, said: str) -> None:
    assert str(unreadable("x", error)).startswith(f"x: {said}")


def test_a_full_disk_is_no_fault_of_the_network() -> None:
    full = unwritable("x", OSError(28, "No space left on device"))
    assert str(full) == "x: cannot be written (No space left on device); free it, or name another place"
    assert unwritable("x", ConnectionResetError(104, "Connection reset by peer")) is None
    assert unwritable("x", ValueError("hash")) is None
