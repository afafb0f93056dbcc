"""Which labels `degas sample --label` asks for, and the sizes of picture it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from degas.cli import main as cli
from degas.cli import sample
from degas.cli.sample import choose_labels
from degas.errors import UserError
from degas.generator.generator import Generator

NAMES = ("cat", "dog", "2")  # a class may be called by a number


def make(num_classes: int = 3, names: tuple[str, ...] = NAMES) -> Generator:
    torch.manual_seed(0)
    sizes = {"width": 4, "noise_size": 4, "base_size": 4, "num_stages": 1, "channels": 1}
    return Generator.from_baseline("dcgan", **sizes, num_classes=num_classes, class_names=names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "num_images", "labels", "columns"),
    [
        ("dog", 5, 1, None),
        ("0", 5, 0, None),
        ("2", 5, 2, None),
        ("all", 6, [0, 0, 1, 1, 2, 2], 2),
        ("all", 7, [0, 0, 0, 1, 1, 1, 2, 2, 2], 3),
        ("all", 4, [0, 0, 1, 1, 2, 2], 2),  # four in rows of two would leave the last class out
        ("all", 2, [0, 1, 2], 1),
        (None, 5, None, None),
    ],
)
def test_labels_and_columns(label: str | None, num_images: int, labels: Any, columns: int | None) -> None:
    assert choose_labels(make(), label, num_images) == (labels, columns)


def test_a_class_called_by_a_number_wins_over_the_number() -> None:
    assert choose_labels(make(names=("1", "0", "x")), "0", 1) == (1, None)


def test_a_class_called_all_can_be_chosen_and_so_can_every_class() -> None:
    generator = make(names=("all", "dog", "*x"))
    assert choose_labels(generator, "all", 2) == (0, None)
    assert choose_labels(generator, "*", 3) == choose_labels(make(), "all", 3) == ([0, 1, 2], 1)


def test_a_class_is_chosen_however_its_name_is_composed() -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    assert choose_labels(make(names=("x", apart, "y")), composed, 1) == (1, None)
    assert choose_labels(make(names=("x", composed, "y")), apart, 1) == (1, None)
    assert choose_labels(make(names=(apart, composed, "y")), composed, 1) == (1, None)


@pytest.mark.parametrize(
    ("label", "message"),
    [("dgo", "unknown class 'dgo'; did you mean 'dog'"), ("3", "unknown class '3'"), ("-1", "unknown class '-1'")],
)
def test_an_unknown_class_is_named(label: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_labels(make(), label, 4)


def test_an_unconditional_generator_has_no_labels() -> None:
    with pytest.raises(UserError, match=r"unconditional; train one with --gan\.supervised"):
        choose_labels(make(0, ()), "all", 4)


def run(folder: Path, *arguments: Any) -> int:
    return cli.main(["sample", "--generator", str(folder), *map(str, arguments)])


def test_all_gives_a_row_per_class_of_that_class(tmp_path: Path) -> None:
    generator = make()
    generator.save(tmp_path / "generator")
    assert run(tmp_path / "generator", "--label", "all", "--num-images", 6, "--out", tmp_path / "all.png") == 0
    assert run(tmp_path / "generator", "--label", "all", "--num-images", 6, "--out", tmp_path / "files") == 0
    rows = generator.sample(6, seed=0, labels=[0, 0, 1, 1, 2, 2])
    with Image.open(tmp_path / "all.png") as grid:
        assert grid.height > grid.width  # three rows of two
    files = sorted((tmp_path / "files").iterdir())
    assert len(files) == 6
    for k, path in enumerate(files):
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), rows[k, 0].numpy())


def test_a_picture_that_no_viewer_would_show_is_refused_before_anything_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make().save(tmp_path / "generator")
    monkeypatch.setattr(sample, "MAX_GRID_PIXELS", 8 * 8 * 9)
    assert run(tmp_path / "generator", "--num-images", 9, "--out", tmp_path / "nine.png") == 0
    capsys.readouterr()
    assert run(tmp_path / "generator", "--num-images", 10, "--out", tmp_path / "ten.png") == 2
    assert "--num-images: too many for one picture; give a folder" in capsys.readouterr().err
    assert not (tmp_path / "ten.png").exists()
