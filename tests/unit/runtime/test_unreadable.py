"""One cause, one sentence: what the operating system refuses is never called damaged, wherever files are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from degas.errors import UserError, unreadable, unwritable
from degas.evaluation.extractors import classifier
from degas.evaluation.stage import save_evaluation
from degas.figures.film import save_film
from degas.figures.grids import save_grid
from degas.generator import generator as generators
from degas.generator.generator import Generator
from degas.runtime import checkpoint
from degas.space.architecture import Architecture
from degas.space.find_critic import shipped_critic
from degas.space.graph import SearchSpace

ARCHITECTURE = Architecture(1, 1, 4, 4, 8, 1, SearchSpace(1).draw(0))
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


def saved_generator(path: Path) -> None:
    Generator.from_architecture(ARCHITECTURE).save(path)


def saved_for_the_hub(path: Path) -> None:
    Generator.from_architecture(ARCHITECTURE).save_pretrained(path)


def saved_grid(path: Path) -> None:
    save_grid(np.zeros((2, 1, 4, 4), np.uint8), path)


def saved_film(path: Path) -> None:
    save_film([Image.new("RGB", (4, 4))], path.with_suffix(".gif"), frame_ms=9)


def saved_classifier(path: Path) -> None:
    classifier.save_classifier(classifier.ClassifierNetwork(1, 2, (4, 4, 4)), {}, path)


FOLDERS = (saved_generator, saved_for_the_hub, saved_classifier)
FILES = (ARCHITECTURE.save, shipped_critic("resnet").save, saved_grid, saved_film)


@pytest.mark.parametrize("save", [*FOLDERS, *FILES])
def test_what_cannot_be_saved_is_one_line_and_nothing_is_lost(save: Callable[[Path], None], tmp_path: Path) -> None:
    """A file in a folder's place, a folder in a file's, and a place below a file."""
    taken, folder = tmp_path / "taken", tmp_path / "folder"
    taken.write_bytes(b"mine")
    for path in (folder, folder.with_suffix(".gif")):
        path.mkdir()
    before = sorted(tmp_path.rglob("*"))
    for place in (taken if save in FOLDERS else folder, taken / "below", taken / "far" / "below"):
        with pytest.raises(UserError, match=r"cannot be written \(.*\); free it, or name another place$") as caught:
            save(place)
        assert str(caught.value).startswith(f"{place.with_suffix('')}"[: len(str(taken))])
        assert ".part" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert taken.read_bytes() == b"mine"


@pytest.mark.parametrize(("error", "said"), REFUSALS)
def test_the_sentence(error: OSError, said: str) -> None:
    assert str(unreadable("x", error)).startswith(f"x: {said}")


def test_a_full_disk_is_no_fault_of_the_network() -> None:
    full = unwritable("x", OSError(28, "No space left on device"))
    assert str(full) == "x: cannot be written (No space left on device); free it, or name another place"
    assert unwritable("x", ConnectionResetError(104, "Connection reset by peer")) is None
    assert unwritable("x", ValueError("hash")) is None
