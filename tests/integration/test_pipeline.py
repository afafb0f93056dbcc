"""The whole job at a tiny size: the contract's files, skipping what is done, the same bits twice, also from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import degas
from degas.cli import main as cli
from degas.figures.grids import save_grid
from degas.settings.presets import preset_values
from degas.settings.sections import SpaceSettings

SIZE = ("--data.image-size", "8")
SEARCH = (
    *("--search.width", "4", "--search.noise-size", "8", "--search.num-epochs", "2", "--search.batch-images", "8"),
    *("--search.plateau-share", "0", "--search.log-steps", "1"),
)
GAN = (
    *("--gan.width", "4", "--gan.num-steps", "4", "--gan.batch-images", "4", "--gan.log-steps", "1"),
    *("--gan.sample-steps", "2", "--gan.checkpoint-steps", "2"),
)
EVERYTHING = (*SIZE, *SEARCH, *GAN, "--evaluate.num-samples", "16", "--quiet")
pytestmark = pytest.mark.slow


def run(*arguments: Any) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of coloured stripes, 24 images of odd sizes."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, axis in (("across", 0), ("down", 1)):
        (root / name).mkdir()
        for k in range(12):
            stripes = (np.indices((9 + k, 11))[axis] // 2 % 2)[..., None] * rng.integers(50, 255, 3)
            Image.fromarray(stripes.astype(np.uint8)).save(root / name / f"{k:02d}.png")
    return root


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    assert run("run", "--data", folder, "--out", out, *EVERYTHING) == 0
    return out


def test_the_files_of_the_contract_are_there(finished: Path) -> None:
    for name in (
        *("search/architecture.json", "search/metrics.jsonl", "search/timing.jsonl", "search/alpha.jsonl"),
        *("search/config.json", "search/environment.json", "search/reconstructions.png", "search/architecture.png"),
        *("search/glo_samples.png", "train/generator/model.safetensors", "train/generator/config.json"),
        *("train/metrics.jsonl", "train/timing.jsonl", "train/config.json", "train/environment.json"),
        *("train/samples/step-000002.png", "train/samples/step-000004.png", "evaluation/scores.json", "report.html"),
        *("evaluation/config.json", "evaluation/environment.json", "evaluation/timing.jsonl", "film.webp"),
        *("evaluation/real_images.png", "evaluation/generated_images.png", "train/real_images.png"),
    ):
        assert (finished / name).stat().st_size > 0, name


def test_metrics_hold_no_wall_times_and_every_step(finished: Path) -> None:
    for stage in ("search", "train"):
        records = [json.loads(line) for line in (finished / stage / "metrics.jsonl").read_text().splitlines()]
        assert [record["step"] for record in records] == list(range(1, len(records) + 1))
        assert not any("second" in key for key in records[0])


def test_alpha_has_one_object_an_epoch_with_every_edge(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "search" / "alpha.jsonl").read_text().splitlines()]
    space, _ = SpaceSettings(**preset_values("default")["space"]).resolve(8)
    for slot in space.slots:
        assert set(lines[-1][slot.name]) == set(space.operations(slot))
    assert len(lines) >= 2


def test_the_scores_say_what_they_are(finished: Path) -> None:
    scores = json.loads((finished / "evaluation" / "scores.json").read_text())
    assert scores["data"]["num_images"] == 24
    assert {"fid_16_train[imagenet]", "kid_16_train[imagenet]"} <= set(scores["scores"])
    for score in scores["scores"].values():
        assert {"value", "std", "extractor", "num_samples", "reference"} <= set(score)


def test_a_second_call_skips_what_is_done(finished: Path, folder: Path) -> None:
    before = {
        p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.parent.name in ("search", "train")
    }
    assert run("run", "--data", folder, "--out", finished, *EVERYTHING) == 0
    assert {path: path.stat().st_mtime_ns for path in before if path.name != ".lock"} == {
        path: time for path, time in before.items() if path.name != ".lock"
    }


def test_a_folder_that_holds_another_run_is_refused(finished: Path, folder: Path, capsys: Any) -> None:
    arguments = ("--data", folder, "--out", finished, *EVERYTHING)
    assert run("run", *arguments, "--seed", 1) == 2
    assert "seed" in capsys.readouterr().err
    assert run("search", *arguments[:4], *SIZE, *SEARCH, "--quiet") == 2
    assert "--resume" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_bits_from_python_too(finished: Path, folder: Path, tmp_path: Path) -> None:
    search = {"width": 4, "noise_size": 8, "num_epochs": 2, "batch_images": 8, "plateau_share": 0, "log_steps": 1}
    size = {"image_size": 8}
    gan = {"width": 4, "num_steps": 4, "batch_images": 4, "log_steps": 1, "sample_steps": 2, "checkpoint_steps": 2}
    quiet = {"data_settings": size, "progress": False}
    architecture = degas.search(folder, tmp_path, search=search, **quiet)
    assert architecture == degas.Architecture.load(finished / "search" / "architecture.json")
    degas.train(architecture, folder, tmp_path, gan=gan, **quiet)
    for name in (
        "search/metrics.jsonl",
        "search/alpha.jsonl",
        "train/metrics.jsonl",
        "train/generator/model.safetensors",
    ):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name
    scores = degas.evaluate(tmp_path / "train" / "generator", folder, evaluate={"num_samples": 16}, **quiet)
    kept = json.loads((finished / "evaluation" / "scores.json").read_text())
    assert (scores["scores"], scores["untrained"]) == (kept["scores"], kept["untrained"])


def test_samples_as_a_grid_and_as_files(finished: Path, tmp_path: Path) -> None:
    assert run("sample", "--generator", finished, "--num-images", 6, "--out", tmp_path / "grid.png") == 0
    assert run("sample", "--generator", finished, "--num-images", 6, "--out", tmp_path / "files") == 0
    files = sorted((tmp_path / "files").iterdir())
    assert len(files) == 6
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)


def test_a_label_is_refused_by_an_unconditional_generator(finished: Path, tmp_path: Path, capsys: Any) -> None:
    assert run("sample", "--generator", finished, "--label", "down", "--out", tmp_path / "x.png") == 2
    assert "--gan.supervised" in capsys.readouterr().err


def test_supervised_training_samples_by_label(finished: Path, folder: Path, tmp_path: Path, capsys: Any) -> None:
    size = ("--data.image-size", "8", "--gan.supervised")
    assert run("train", "--architecture", finished, "--data", folder, "--out", tmp_path, *size, *GAN) == 0
    for label in ("down", "1", "all"):
        assert (
            run("sample", "--generator", tmp_path, "--label", label, "--num-images", 4, "--out", tmp_path / "x.png")
            == 0
        )
    assert run("sample", "--generator", tmp_path, "--label", "dwon", "--out", tmp_path / "x.png") == 2
    assert "did you mean 'down'" in capsys.readouterr().err


def test_a_run_with_labels_ends_with_rows_of_each_class(finished: Path, folder: Path, tmp_path: Path) -> None:
    pictures = []
    for out, more in ((finished, ()), (tmp_path / "labels", ("--gan.supervised",))):
        assert run("run", "--data", folder, "--out", out, *EVERYTHING, *more) == 0
        generator = degas.Generator.load(out / "train" / "generator")
        labels = [0] * 50 + [1] * 50 if more else None
        save_grid(generator.sample(100, seed=0, labels=labels), tmp_path / "expected.png", columns=10)
        pictures.append((out / "samples.png").read_bytes())
        assert pictures[-1] == (tmp_path / "expected.png").read_bytes()
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("baseline", ["resnet", "dcgan"])
def test_baselines_train_under_the_same_command(baseline: str, folder: Path, tmp_path: Path) -> None:
    options = ("--data.image-size", "8", *GAN)
    assert run("train", "--architecture", baseline, "--data", folder, "--out", tmp_path, *options) == 0
    assert degas.Generator.load(tmp_path / "train" / "generator").sample(2).shape == (2, 3, 8, 8)


def test_an_architecture_moves_to_another_size(finished: Path, folder: Path, tmp_path: Path) -> None:
    """Paper §4.1: base and noise size by the ratio of the image sizes."""
    options = ("--data.image-size", "12", *GAN)
    assert run("train", "--architecture", finished, "--data", folder, "--out", tmp_path, *options) == 0
    generator = degas.Generator.load(tmp_path / "train" / "generator")
    assert (generator.image_size, generator.noise_size) == (12, 12)


def test_scores_of_other_weights_are_not_kept_beside_new_ones(finished: Path, folder: Path, tmp_path: Path) -> None:
    generator = degas.Generator.load(finished / "train" / "generator")
    quiet = {"data_settings": {"image_size": 8}, "progress": False}

    def protocols(num_samples: int) -> set[str]:
        generator.save(tmp_path / "generator")
        settings = {"num_samples": num_samples, "floor": False}
        return set(degas.evaluate(tmp_path / "generator", folder, tmp_path, evaluate=settings, **quiet)["scores"])

    first = protocols(16)
    assert protocols(12) > first  # the same weights: another protocol joins
    with torch.no_grad():
        next(generator.parameters()).mul_(2)
    assert not protocols(12) & first
