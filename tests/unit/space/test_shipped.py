"""Architectures by name: found, validated, never outside their folder; the nearest one for a name that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from degas.cli import main as cli
from degas.errors import UserError
from degas.space import find, shipped
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def example(seed: int = 0) -> Architecture:
    return Architecture(3, 1, 4, 8, 16, 3, SearchSpace().draw(seed), provenance={"method": "search"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "architectures"
    for seed, name in enumerate(("degas-cifar10", "degas-stl10")):
        example(seed).save(place / f"{name}.json")
    (place / "notes.txt").write_text("no architecture")
    example(7).save(tmp_path / "outside.json")
    monkeypatch.setattr(shipped, "FOLDER", place)
    return place


def test_names_and_files(folder: Path) -> None:
    assert shipped.shipped_names() == ("degas-cifar10", "degas-stl10")
    assert shipped.load_shipped("degas-stl10") == example(1)
    assert shipped.shipped_file("degas-stl10") == folder / "degas-stl10.json"


@pytest.mark.parametrize("name", ["../outside", "degas-cifar10.json", "", "/etc/passwd", "DEGAS-CIFAR10", "notes"])
def test_what_is_no_name(name: str, folder: Path) -> None:
    assert shipped.shipped_file(name) is None
    with pytest.raises(UserError, match="no architecture"):
        shipped.load_shipped(name)


def test_an_unknown_name_gets_the_nearest(folder: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'degas-cifar10'"):
        shipped.load_shipped("degas-cifar")
    with pytest.raises(UserError, match="did you mean 'degas-stl10'"):
        find.load_architecture("degas-stl")
    with pytest.raises(UserError, match="choose from dcgan, degas-cifar10, degas-stl10, resnet"):
        find.load_architecture("zzz", also=("resnet", "dcgan"))


def test_nothing_shipped_is_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    assert shipped.shipped_names() == ()
    with pytest.raises(UserError, match=r"known name 'degas-cifar10'; give an architecture\.json"):
        find.load_architecture("degas-cifar10")


def test_a_file_of_the_users_wins_over_a_name(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    example(5).save(tmp_path / "degas-cifar10" / "search" / "architecture.json")
    assert find.load_architecture("degas-cifar10") == example(5)
    assert find.load_architecture("degas-stl10") == example(1)
    assert find.load_architecture(folder / "degas-stl10.json") == example(1)
    assert find.load_architecture(example(3)) == example(3)
    with pytest.raises(UserError, match="cannot be read"):
        find.load_architecture("./degas-stl10")


def test_the_command_line_takes_names(folder: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["describe", "degas-cifar10"]) == 0
    assert "3×32×32" in capsys.readouterr().out
    assert cli.main(["describe", "degas-cfar10"]) == 2
    assert "did you mean 'degas-cifar10'" in capsys.readouterr().err


@pytest.mark.slow
def test_training_takes_names(folder: Path, tmp_path: Path) -> None:
    data, gan = ("--data.image-size", "8", "--data.max-images", "16"), ("--gan.num-steps", "1", "--gan.width", "4")
    sizes = [*data, *gan, "--gan.generator-width", "4"]
    words = ["train", "--architecture", "degas-cifar10", "--data", "digits", "--out", str(tmp_path / "run"), "--quiet"]
    assert cli.main([*words, *sizes, "--gan.batch-images", "4"]) == 0
    assert (tmp_path / "run" / "train" / "generator" / "model.safetensors").is_file()


@pytest.mark.parametrize("path", sorted(shipped.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_what_ships_is_sound(path: Path) -> None:
    assert path.stem in shipped.shipped_names()
    architecture = shipped.load_shipped(path.stem)
    told = set(architecture.provenance)
    if architecture.provenance["method"] == "made by hand":
        assert {"method", "about"} == told
    else:
        assert {"method", "data"} <= told, "says where it came from"
        assert told & {"seed", "seeds"}


def test_the_one_made_by_hand_is_the_row_that_was_measured() -> None:
    from degas_lab.trainings.hand_made_plan import ROWS

    row = ROWS["up-normal-n2"]
    assert row is not None
    made = row.architecture(16, width=32, noise_size=128, channels=1)
    assert shipped.load_shipped("up-normal-n2").to_dict() == {**made.to_dict(), "provenance": ANY}
