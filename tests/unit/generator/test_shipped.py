"""Trained generators by name: found offline and first, sound as they ship, and apart from architectures' names."""

from __future__ import annotations

import fnmatch
import json
import re
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_gan import toy_generator

import degas
from degas.cli import main as cli
from degas.errors import UserError
from degas.generator import shipped
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.runtime.fingerprint import fingerprint_of
from degas.space import shipped as architectures
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

ROOT = Path(__file__).parents[3]
NAMES = shipped.shipped_generators()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shipped generators that make 1×8×8 images, one of them as float16, and the working folder elsewhere."""
    place = tmp_path / "trained"
    for name in ("degas-toys", "degas-digits"):
        toy_generator(channels=1).save(place / name)
    weights = place / "degas-toys" / "model.safetensors"
    save_file({name: value.half() for name, value in load_file(weights).items()}, weights)
    (place / "degas-toys" / "README.md").write_text("the card")
    (place / "notes").mkdir()
    monkeypatch.setattr(shipped, "FOLDER", place)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return place


def test_names_and_folders(folder: Path) -> None:
    assert shipped.shipped_generators() == ("degas-digits", "degas-toys")
    assert shipped.shipped_folder("degas-toys") == folder / "degas-toys"
    for name in ("../trained/degas-toys", "", ".", "notes", "DEGAS-TOYS", "/etc", "degas-toys/config.json"):
        assert shipped.shipped_folder(name) is None


def test_nothing_shipped_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    assert shipped.shipped_generators() == ()
    with pytest.raises(UserError, match="shipped generator 'degas-toys'; give the folder that `degas train` wrote"):
        generator_folder("degas-toys")


def test_half_precision_is_loaded_as_float32(folder: Path) -> None:
    generator = Generator.from_pretrained("degas-toys")
    assert {value.dtype for value in load_file(folder / "degas-toys" / "model.safetensors").values()} == {torch.float16}
    assert {value.dtype for value in generator.state_dict().values()} == {torch.float32}
    torch.testing.assert_close(generator(torch.ones(2, 6)), toy_generator(channels=1).eval()(torch.ones(2, 6)), **NEAR)


NEAR = {"atol": 5e-3, "rtol": 0.0}


def test_no_hub_and_no_network_are_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setattr(socket, "socket", None)
    assert Generator.from_pretrained("degas-toys").loaded_from == folder / "degas-toys"


def test_a_folder_of_the_users_wins_and_an_unrelated_one_does_not(folder: Path) -> None:
    Path("degas-toys").mkdir()  # such as --out of a run that has not begun
    assert generator_folder("degas-toys") == folder / "degas-toys"
    assert Generator.from_pretrained("degas-toys").loaded_from == folder / "degas-toys"
    toy_generator().save("degas-toys/train/generator")
    mine = Path("degas-toys/train/generator")
    assert generator_folder("degas-toys") == mine
    assert Generator.from_pretrained("degas-toys").loaded_from == mine
    assert generator_folder("./degas-digits") == Path("degas-digits")  # a path, which leads nowhere


def test_an_unknown_name_gets_the_nearest_or_all(folder: Path) -> None:
    with pytest.raises(UserError, match="or shipped generator 'degas-toy'; did you mean 'degas-toys'"):
        generator_folder("degas-toy")
    with pytest.raises(UserError, match="choose from degas-digits, degas-toys"):
        generator_folder("zzz")
    with pytest.raises(UserError, match=r"zzz: no such folder, not one of the shipped generators \(degas-digits, "):
        Generator.from_pretrained("zzz")


def test_the_card_goes_with_weights_that_were_stored_as_float16(folder: Path) -> None:
    generator = Generator.from_pretrained("degas-toys")
    generator.save_pretrained("copy")
    assert Path("copy/README.md").read_text() == "the card"
    with torch.no_grad():
        next(generator.parameters()).add_(1)
    generator.save_pretrained("other")
    assert Path("other/README.md").read_text() != "the card"


TINY = "--data digits --data.max-images 24 --data.image-size 8 --quiet --device cpu"
GAN = "--gan.num-steps 1 --gan.width 4 --gan.batch-images 8"


@pytest.mark.slow
def test_every_command_takes_the_name(folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiny_extractor import TinyExtractor

    monkeypatch.setattr("degas.evaluation.evaluate.build_extractor", lambda *_: TinyExtractor().eval())
    for words in (
        "sample --generator degas-toys --num-images 4 --out grid.png",
        "sample --generator degas-toys --num-images 2 --interpolate 1 --out walk.png",
        "export --generator degas-toys --out g.pt2",
        f"evaluate --generator degas-toys {TINY} --out run --evaluate.num-samples 16",
        f"train --init degas-toys {TINY} {GAN} --out run",
        f"run --init degas-toys {TINY} {GAN} --evaluate.num-samples 16 --out all",
    ):
        assert cli.main(words.split()) == 0, capsys.readouterr().err
    begun = json.loads(Path("run/train/config.json").read_bytes())["init"]
    assert begun == {"generator": "degas-toys", "weights": fingerprint_of(Generator.load(folder / "degas-toys"))}
    assert json.loads(Path("run/evaluation/scores.json").read_bytes())["generator"]["path"] == "degas-toys"
    assert "fine-tuned from degas-toys" in Path("all/report.html").read_text()
    for words in (
        "sample --generator degas-toyz --out grid.png",
        "export --generator degas-toyz --out g.pt2",
        f"evaluate --generator degas-toyz {TINY} --out none",
        f"train --init degas-toyz {TINY} {GAN} --out none",
    ):
        capsys.readouterr()
        assert cli.main(words.split()) == 2
        assert "'degas-toyz'; did you mean 'degas-toys'?" in capsys.readouterr().err


def test_one_name_of_both_kinds_goes_by_the_option(folder: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """`--architecture` and `describe` mean the architecture; `--generator` and `--init` the trained generator."""
    monkeypatch.setattr(architectures, "FOLDER", tmp_path / "architectures")
    Architecture(1, 1, 4, 5, 6, 1, SearchSpace(1).draw(0)).save(tmp_path / "architectures" / "degas-toys.json")
    for option, kind in (("--architecture", "architecture"), ("--init", "resnet")):
        assert cli.main(f"train {option} degas-toys {TINY} {GAN} --out {kind}".split()) == 0
        assert Generator.load(f"{kind}/train/generator").config["kind"] == kind
    assert cli.main(["describe", "degas-toys"]) == 0
    assert "1×8×8 from 6 noise entries, width 5" in capsys.readouterr().out
    assert Generator.from_pretrained("degas-toys").config["kind"] == "resnet"


# ---------------------------------------------------------------------------------------------------- what ships


def test_something_ships() -> None:
    assert "degas-digits" in NAMES


def facts_of(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((shipped.FOLDER / name / "shipped.json").read_bytes())
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_offline_and_its_samples_are_those_noted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    generator, facts = degas.Generator.from_pretrained(name), facts_of(name)
    n = len(facts["sample_means"])
    labels = [k % generator.num_classes for k in range(n)] if generator.num_classes else None
    means = generator.sample(n, seed=0, labels=labels).double().mean((1, 2, 3))
    assert n >= 16
    assert max(abs(float(mean) - noted) for mean, noted in zip(means, facts["sample_means"], strict=True)) < 0.5
    assert float(means.std()) > 0.5, "the samples differ"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_says_how_it_was_made_and_how_good_it_is(name: str) -> None:
    folder, facts = shipped.FOLDER / name, facts_of(name)
    files = {path.name for path in folder.iterdir()}
    assert files == {"model.safetensors", "config.json", "README.md", "samples.png", "shipped.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= shipped.MAX_BYTES == 1_000_000
    card = (folder / "README.md").read_text()
    assert f'degas.Generator.from_pretrained("{name}")' in card
    assert any(re.match(r"degas (train|run) ", command) for command in facts["commands"])
    for command in facts["commands"]:
        assert command in card
    assert facts["scores"]
    for protocol in facts["scores"]:
        assert f"`{protocol}`" in card or "floor" in protocol
    if facts["stored_as"] == "float16":
        assert 0 < facts["largest_difference"] < 1 / 127.5
        assert f"{facts['largest_difference']:.1e}" in card


@pytest.mark.parametrize("name", NAMES)
def test_it_is_in_the_package_and_in_the_docs(name: str) -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["degas"]
    for path in (shipped.FOLDER / name).iterdir():
        relative = str(path.relative_to(ROOT / "src" / "degas"))
        assert any(fnmatch.fnmatch(relative, pattern) for pattern in patterns), relative
    page = (ROOT / "docs" / "generators.md").read_text()
    (score, entry), *_ = facts_of(name)["scores"].items()
    assert f"`{name}`" in page
    assert score.startswith("fid")
    assert f"{entry['value']:.1f}" in page, "the page shows its Fréchet distance"
