"""Which labels `degas sample --label` asks for, the sizes of picture it refuses, its walks and films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_run import fake_run
from PIL import Image

from degas.cli import main as cli
from degas.cli import sample
from degas.cli.sample import choose_labels
from degas.errors import UserError
from degas.generator.generator import Generator, draw_labels

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


def saved(tmp_path: Path, num_classes: int = 0) -> Path:
    """A run folder that holds a generator."""
    make(num_classes, NAMES[:num_classes]).save(tmp_path / "run" / "train" / "generator")
    return tmp_path / "run"


def test_a_walk_is_a_row_a_leg_or_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path)
    assert run(folder, "--interpolate", 3, "--num-images", 4, "--out", tmp_path / "walk.png") == 0
    assert "4 samples with 3 images in between" in capsys.readouterr().out
    step = 48 + 2  # pixels of a tile of the grid, and the gap
    with Image.open(tmp_path / "walk.png") as grid:
        assert grid.size == (5 * step + 2, 4 * step + 2)  # rows of N + 2
        pixels = np.asarray(grid)
    tile = slice(2, 2 + 48)
    for k in range(4):  # each row ends with the sample that the next one begins with
        goal = pixels[k * step + 2 : k * step + 50, 4 * step + 2 : 4 * step + 50]
        after = (k + 1) % 4
        assert np.array_equal(goal, pixels[after * step + 2 : after * step + 50, tile])
    for ending in (".webp", ".gif"):
        assert run(folder, "--interpolate", 3, "--num-images", 4, "--out", tmp_path / f"walk{ending}") == 0
        with Image.open(tmp_path / f"walk{ending}") as film:
            assert film.n_frames == 4 * (3 + 1)
            assert film.size == (256, 256)


def test_a_walk_of_a_run_lies_where_the_report_finds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path)
    assert run(folder, "--interpolate", 1) == 0
    with Image.open(folder / "walk.webp") as film:
        assert film.n_frames == 16  # eight samples by default
    assert run(folder / "train" / "generator", "--interpolate", 1) == 2
    assert "missing --out PATH" in capsys.readouterr().err


def test_a_conditional_walk_keeps_to_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path, 3)
    for label in ((), ("--label", "dog")):
        out = tmp_path / f"walk{len(label)}.png"
        assert run(folder, "--interpolate", 2, "--num-images", 3, *label, "--out", out) == 0
        chosen = 1 if label else int(draw_labels(1, 3, 0)[0])
        samples = make().sample(3, seed=0, labels=chosen)
        with Image.open(out) as grid:
            first = np.asarray(grid)[2:50:6, 2:50:6]  # the first tile at its own size
        assert np.abs(first.astype(int) - samples[0, 0].numpy()).max() <= 1
    assert run(folder, "--interpolate", 2, "--label", "all", "--out", tmp_path / "x.png") == 2
    assert "--label all: a walk shows a single class; name one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "missing --out PATH; see degas sample --help"),
        (("--out", "x.webp"), "--out x.webp: ends in .webp; name a file that ends in .png, or a folder"),
        (("--interpolate", "2", "--out", "x"), "name a file that ends in .png or .webp or .gif"),
        (("--interpolate", "2", "--columns", "3"), "--columns: --interpolate does not use it"),
        (
            ("--film", "run", "--columns", "3"),
            "--columns --generator: --film does not use them; leave them out, or --f",
        ),
        (("--interpolate", "900"), "--interpolate: 7,208 images are too many for one walk; at most 2,000"),
        (("--interpolate", "2", "--num-images", "1"), "--num-images: a walk connects at least two samples"),
        (("--film", "run"), "--generator: --film does not use it; leave out one of the two"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = saved(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(folder, *arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_anything_both_missing_options_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sample"]) == 2
    assert "missing --generator GENERATOR, --out PATH; see degas sample --help" in capsys.readouterr().err


def test_the_film_of_a_run_is_made_of_its_grids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_run(tmp_path / "run", search=False, evaluate=False)
    assert cli.main(["sample", "--film", str(folder)]) == 0
    assert capsys.readouterr().out == f"film {folder / 'film.webp'}\n"
    assert cli.main(["sample", "--film", str(folder), "--out", str(tmp_path / "x.png")]) == 2
    assert "name a file that ends in .webp or .gif" in capsys.readouterr().err
