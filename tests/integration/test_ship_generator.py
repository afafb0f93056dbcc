"""The script that puts a trained generator into the package: what it writes, measures and rejects."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_extractor import TinyExtractor

from degas.cli import main as cli
from degas.errors import UserError
from degas.generator import shipped
from degas.generator.generator import Generator

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import ship_generator

TINY = "--data digits --data.max-images 24 --data.image-size 8 --quiet"
GAN = "--gan.num-steps 2 --gan.width 4 --gan.batch-images 8 --gan.noise-size 6 --device cpu"
SCORES = "--evaluate.num-samples 16"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the package's, and a working folder."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    monkeypatch.setattr("degas.evaluation.evaluate.build_extractor", lambda *_: TinyExtractor().eval())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "trained"


def trained(out: str, *more: str) -> Path:
    assert cli.main([*f"train --architecture resnet {TINY} {GAN} --out {out}".split(), *more]) == 0
    assert cli.main(f"evaluate --generator {out} {TINY} {SCORES} --out {out}".split()) == 0
    return Path(out)


@pytest.mark.slow
def test_what_it_writes_is_what_a_shipped_generator_needs(package: Path, monkeypatch: Any, capsys: Any) -> None:
    run = trained("runs/mine")
    monkeypatch.setattr(sys, "argv", ["ship_generator.py", "runs/mine", "degas-mine", "--note", "Chosen of two."])
    ship_generator.main()
    assert "of at most 1,000,000 bytes" in capsys.readouterr().out
    folder, original = package / "degas-mine", Generator.load(run / "train" / "generator")
    assert {value.dtype for value in load_file(folder / "model.safetensors").values()} == {torch.float16}
    stored, facts = Generator.from_pretrained("degas-mine"), json.loads((folder / "shipped.json").read_text())
    noise = torch.randn(64, 6)
    with torch.no_grad():
        difference = float((stored(noise) - original(noise)).abs().max())
    assert difference <= 2 * facts["largest_difference"] < 2 / 127.5
    assert stored.config == original.config
    means = stored.sample(16, seed=0).double().mean((1, 2, 3))
    assert facts["sample_means"] == [round(float(mean), 3) for mean in means]
    assert facts["scores"] == json.loads((run / "evaluation" / "scores.json").read_text())["scores"]
    card = (folder / "README.md").read_text()
    for words in (
        'from_pretrained("degas-mine")',
        "(a hand-made baseline)",
        "stored as float16",
        "\n\nChosen of two.\n",
    ):
        assert words in card
    assert cli.main(["sample", "--generator", "degas-mine", "--out", "grid.png"]) == 0


@pytest.mark.slow
def test_weights_that_float16_would_change_stay_as_they_are(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("runs/mine")
    monkeypatch.setattr(ship_generator, "BOUND", 1e-12)
    folder = ship_generator.ship(run, "degas-mine")
    original = load_file(run / "train" / "generator" / "model.safetensors")
    stored = load_file(folder / "model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in original.items())
    assert "stored as float32 and loaded as float32." in (folder / "README.md").read_text()


@pytest.mark.slow
def test_what_it_rejects(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("runs/mine")
    cases: list[tuple[Path, str, str]] = [
        (run, "Degas_Mine", "a name has small letters"),
        (
            trained("runs/batch", "--gan.sampling-bn", "batch"),
            "degas-mine",
            "samples with the statistics of each batch",
        ),
        (other_weights(trained("runs/other")), "degas-mine", "its scores are of other weights"),
        (unmeasured(trained("runs/unmeasured")), "degas-mine", "needs a finished training and its scores"),
    ]
    for given, name, message in cases:
        with pytest.raises(UserError, match=message):
            ship_generator.ship(given, name)
    monkeypatch.setattr(shipped, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="bytes, and 1,000 are allowed; train a smaller generator"):
        ship_generator.ship(run, "degas-mine")
    assert not package.exists()


def other_weights(run: Path) -> Path:
    generator = Generator.load(run / "train" / "generator")
    with torch.no_grad():
        next(generator.parameters()).add_(1)
    generator.save(run / "train" / "generator")
    return run


def unmeasured(run: Path) -> Path:
    (run / "evaluation" / "scores.json").unlink()
    return run


def test_paths_of_this_machine_get_names_that_others_can_read() -> None:
    told = ["degas train --data /my/disk --out /my/runs", '{"source": "/my/disk"}']
    assert ship_generator.renamed(told, {"/my/disk": "CIFAR", "/my/runs": "runs"}) == [
        "degas train --data CIFAR --out runs",
        '{"source": "CIFAR"}',
    ]
    with pytest.raises(UserError, match="--rename /mine=x: neither the card nor the commands name /mine"):
        ship_generator.renamed(told, {"/mine": "x"})
