"""The stages from Python: what evaluations during and after training share, and what they leave behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_extractor import TinyExtractor

from degas.api import stages as api
from degas.data.image_set import ImageSet, content_fingerprint
from degas.errors import UserError
from degas.evaluation import evaluate as evaluation
from degas.evaluation.extractors.base import Extractor, freeze
from degas.evaluation.extractors.classifier import ClassifierNetwork, save_classifier
from degas.figures.grids import save_png
from degas.gan.fresh import chosen_generator
from degas.generator.generator import Generator
from degas.settings.sections import DataSettings, GanSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

GAN = {"width": 4, "batch_images": 4, "num_steps": 4, "evaluate_steps": 1, "noise_size": 4, "objective": "sn-gan"}
Built = list[Extractor]


@pytest.fixture
def images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 3, 8, 8)).astype(np.uint8)
    return ImageSet(pixels, None, (), "noise", content_fingerprint(pixels, None, ()))


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator.from_baseline("dcgan", width=4, noise_size=4, base_size=4, num_stages=1, channels=3)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Built:
    """A tiny extractor in place of the settings', and the usual cache folder elsewhere; every one built is listed."""
    made: Built = []

    def build(*_: Any) -> Extractor:
        made.append(freeze(TinyExtractor()))
        return made[-1]

    monkeypatch.setattr(evaluation, "build_extractor", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def passes(extractor: Extractor) -> int:
    return len(extractor.seen)  # type: ignore[arg-type]


def measure(generator: Generator, images: ImageSet, **more: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"evaluate": {"num_samples": 32, "floor": False}, "progress": False, **more}
    return api.evaluate(generator, images, **settings)


def test_a_second_evaluation_reads_the_cached_statistics(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path
) -> None:
    first, second = measure(generator, images), measure(generator, images)
    assert first == second
    assert [passes(extractor) for extractor in built] == [
        3 + 2 + 2,
        2 + 2,
    ]  # 48 reals, 32 samples and as many untrained, 16 at a time
    assert len(list((tmp_path / "cache" / "degas" / "statistics").iterdir())) == 1


def test_the_cache_is_where_the_data_settings_say(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path
) -> None:
    for settings in ({"cache": tmp_path / "mine"}, DataSettings(cache=tmp_path / "mine")):
        measure(generator, images, data_settings=settings)
    assert passes(built[-1]) == 2 + 2  # samples and untrained ones, 16 at a time
    assert len(list((tmp_path / "mine" / "statistics").iterdir())) == 1
    assert not (tmp_path / "cache").exists()


def test_images_under_a_false_fingerprint_are_never_cached(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path
) -> None:
    """Else two sets that were named alike by hand would be measured against the first one's statistics."""
    one, other = (ImageSet(pixels, None, (), "made", "made") for pixels in (images.images, images.images // 2))
    assert measure(generator, one)["scores"] != measure(generator, other)["scores"]
    assert not (tmp_path / "cache").exists()


def test_evaluations_during_training_share_one_extractor_and_one_pass_over_the_reals(
    images: ImageSet, built: Built, tmp_path: Path
) -> None:
    settings = {"num_samples": 32}
    api.train("dcgan", images, tmp_path / "run", gan=GAN, evaluate=settings, progress=False)
    assert len(built) == 1
    assert passes(built[0]) == 3 + 4 * 2  # 48 reals, then 32 samples four times
    lines = (tmp_path / "run" / "train" / "metrics.jsonl").read_text().splitlines()
    scores = [record for record in map(json.loads, lines) if "fid_32_train[tiny]" in record]
    assert [record["step"] for record in scores] == [1, 2, 3, 4]
    assert not any("floor" in name for record in scores for name in record)


def test_a_small_evaluation_scores_what_a_whole_one_does(images: ImageSet, built: Built, tmp_path: Path) -> None:
    gan, settings = {**GAN, "num_steps": 1}, {"num_samples": 32, "floor": False}
    generator = api.train("dcgan", images, tmp_path / "run", gan=gan, evaluate=settings, progress=False)
    logged = json.loads((tmp_path / "run" / "train" / "metrics.jsonl").read_text().splitlines()[-1])
    scores = measure(generator, images)["scores"]
    assert {name: entry["value"] for name, entry in scores.items()} == {name: logged[name] for name in scores}


def test_without_evaluation_during_training_no_extractor_is_built(
    images: ImageSet, built: Built, tmp_path: Path
) -> None:
    api.train("dcgan", images, tmp_path / "run", gan={**GAN, "num_steps": 1, "evaluate_steps": 0}, progress=False)
    assert not built


def test_missing_weights_stop_a_training_that_would_need_them_before_its_first_step(
    images: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"--evaluate\.classifier"):
        api.train("dcgan", images, tmp_path, gan=GAN, evaluate={"extractor": "classifier"}, progress=False)
    assert not (tmp_path / "train" / "metrics.jsonl").exists()


def test_what_chooses_the_best_generator_is_among_the_settings_of_the_run(
    images: ImageSet, built: Built, tmp_path: Path
) -> None:
    def train(num_samples: int) -> None:
        settings = {"num_samples": num_samples}
        api.train("dcgan", images, tmp_path, gan=GAN, evaluate=settings, resume=True, progress=False)

    train(32)
    with pytest.raises(UserError, match=r"evaluate\.num_samples was 32 and is 16"):
        train(16)


def classifier(folder: Path, seed: int) -> dict[str, Any]:
    """Settings that measure by a classifier written to `folder`, with weights drawn from the seed."""
    torch.manual_seed(seed)
    config = {"channels": 3, "image_size": 8, "class_names": ["a", "b"], "widths": [2, 3, 4], "held_out_accuracy": 0.5}
    save_classifier(ClassifierNetwork(3, 2, config["widths"]), config, folder)
    return {"extractor": "classifier", "classifier": folder, "num_samples": 16}


def train_by(settings: dict[str, Any], images: ImageSet, out: Path) -> None:
    api.train("dcgan", images, out, gan=GAN, evaluate=settings, resume=True, progress=False)


def test_a_classifier_is_known_by_its_content_and_not_by_its_path(
    images: ImageSet, built: Built, tmp_path: Path
) -> None:
    first, other = (classifier(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 1)))
    train_by(first, images, tmp_path / "run")
    copy = {**first, "classifier": shutil.copytree(tmp_path / "a", tmp_path / "copy")}
    train_by(copy, images, tmp_path / "run")
    for changed in (other, classifier(tmp_path / "a", 1)):
        with pytest.raises(UserError, match="holds another classifier than before"):
            train_by(changed, images, tmp_path / "run")


def test_a_classifier_without_a_recorded_content_is_known_by_its_path(
    images: ImageSet, built: Built, tmp_path: Path
) -> None:
    """A run of the last release, and a classifier that is gone once the training has ended."""
    settings = classifier(tmp_path / "a", 0)
    train_by(settings, images, tmp_path / "run")
    config = tmp_path / "run" / "train" / "config.json"
    written = json.loads(config.read_bytes())
    fingerprint = written["evaluate"].pop("classifier_fingerprint")
    assert len(fingerprint) == 16
    config.write_text(json.dumps(written))
    train_by(settings, images, tmp_path / "run")
    with pytest.raises(UserError, match=r"evaluate\.classifier was .*/a\" and is .*/b\" now"):
        train_by(classifier(tmp_path / "b", 0), images, tmp_path / "run")
    shutil.rmtree(tmp_path / "a")
    train_by(settings, images, tmp_path / "run")


RESUMABLE = {"width": 2, "noise_size": 4, "num_epochs": 1, "plateau_share": 0.0}


def search_of(folder: Path | str, out: Path, **search: Any) -> Any:
    data, settings = {"image_size": 8}, {**RESUMABLE, **search}
    return api.search(folder, out, data_settings=data, search=settings, resume=True, progress=False)


def test_scores_of_the_same_generator_and_images_stay_whatever_paths_lead_there(
    images: ImageSet, generator: Generator, built: Built, tmp_path: Path
) -> None:
    first, second = (tmp_path / name for name in ("generator", "copy"))
    for folder in (first, second):
        generator.save(folder)
    names = []
    for folder, source, num_samples in ((first, "noise", 32), (second, "./noise", 16)):
        same = replace(images, source=source)
        settings = {"num_samples": num_samples, "floor": False}
        names.append(set(api.evaluate(folder, same, tmp_path, evaluate=settings, progress=False)["scores"]))
    assert names[0] < names[1]


def test_a_search_goes_on_with_what_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same images by another spelling, or a moved copy; what a newer version added; other intervals."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for k in range(8):
        save_png(np.full((8, 8, 3), 20 * k, np.uint8), tmp_path / "data" / "pets" / f"{k}.png")
    first = search_of("data/pets", tmp_path / "run", log_steps=1)
    shutil.copytree("data/pets", "elsewhere")
    config = tmp_path / "run" / "search" / "config.json"
    written = json.loads(config.read_bytes())
    for name in ("relaxation", "cuda_graphs"):
        del written["search"][name]
    del written["space"]["separable_order"]
    config.write_text(json.dumps(written))
    for source in ("./data/pets", "data/../data/pets/", tmp_path / "data" / "pets", "elsewhere"):
        for more in ({}, {"log_steps": 7, "checkpoint_steps": 9}):
            assert search_of(source, tmp_path / "run", **more) == first
    with pytest.raises(UserError, match=r"search\.relaxation was .* and is"):
        search_of("data/pets", tmp_path / "run", relaxation="gumbel")
    save_png(np.zeros((8, 8, 3), np.uint8), tmp_path / "elsewhere" / "more.png")
    with pytest.raises(UserError, match="the data changed: 8 → 9 images"):
        search_of("elsewhere", tmp_path / "run")


@pytest.mark.parametrize("preset", ["paper", "default"])
def test_a_search_keeps_the_presets_rate_whatever_the_copy_of_the_data_set_is_called(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy's name names no data set, or another one; twice, for config.json says where the images are now."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for k in range(8):
        save_png(np.full((8, 8, 3), 20 * k, np.uint8), tmp_path / "celeba" / f"{k}.png")
    shutil.copytree(tmp_path / "celeba", tmp_path / "faces")

    def search(name: str, run: str, **changes: Any) -> None:
        given = {**RESUMABLE, **changes}
        settings = {"preset": preset, "data_settings": {"image_size": 8}, "search": given}
        api.search(tmp_path / name, tmp_path / run, resume=True, progress=False, **settings)

    for run, names in (("one", ("celeba", "faces", "faces")), ("two", ("faces", "celeba", "celeba"))):
        for name in names:
            search(name, run)
    if preset == "paper":
        rates = [
            json.loads((tmp_path / run / "search" / "config.json").read_bytes())["search"] for run in ("one", "two")
        ]
        assert [(rate["weight_lr"], rate["latent_lr"]) for rate in rates] == [(0.03, 0.3), (0.3, 3.0)]
    with pytest.raises(UserError, match=r"search\.weight_lr was .* and is 0\.7 now"):
        search("faces", "one", weight_lr=0.7)


def test_an_evaluation_leaves_its_settings_and_its_machine_beside_the_scores(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path
) -> None:
    scores = measure(generator, images, out=tmp_path, seed=3, command=["degas", "evaluate", "--seed", "3"])

    def read(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / "evaluation" / name).read_text())
        return found

    assert read("scores.json") == scores
    config = read("config.json")
    assert (config["kind"], config["seed"], config["data"]["source"]) == ("evaluation", 3, "noise")
    assert config["data"]["fingerprint"] == images.fingerprint
    assert (config["evaluate"]["num_samples"], config["evaluate"]["floor"]) == (32, False)
    assert read("environment.json")["command"] == ["degas", "evaluate", "--seed", "3"]
    assert read("environment.json")["torch"] == torch.__version__
    assert json.loads((tmp_path / "evaluation" / "timing.jsonl").read_text())["seconds"] > 0
    for name in ("real_images.png", "generated_images.png"):
        with Image.open(tmp_path / "evaluation" / name) as grid:
            assert grid.width == 8 * (48 + 2) + 2, name


@pytest.mark.parametrize(
    "damage",
    [lambda p: p.write_text('{"scores": '), lambda p: p.write_text("[]"), lambda p: p.write_text('{"data": 1}')],
)
def test_a_damaged_scores_file_is_written_anew(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    first = measure(generator, images, out=tmp_path)
    damage(tmp_path / "evaluation" / "scores.json")
    assert measure(generator, images, out=tmp_path) == first


def test_scores_join_those_of_the_same_generator_only(
    generator: Generator, images: ImageSet, built: Built, tmp_path: Path
) -> None:
    first = set(measure(generator, images, out=tmp_path)["scores"])
    second = measure(generator, images, out=tmp_path, evaluate={"num_samples": 16, "floor": False})
    both = set(second["scores"])
    assert both > first
    assert set(second["untrained"]) == both
    with torch.no_grad():
        next(generator.parameters()).mul_(2)
    assert set(measure(generator, images, out=tmp_path)["scores"]) == first


def test_settings_of_the_generator_reach_the_one_that_is_built(images: ImageSet) -> None:
    """Those that the trainer itself does not read."""
    drawn = Architecture(1, 1, 4, 6, 8, 3, SearchSpace(1).draw(0))

    def built(**changes: Any) -> Generator:
        return chosen_generator(drawn, images, GanSettings(**changes), SpaceSettings(), seed=0)

    assert built().network.width == 6
    assert built(generator_width=5).network.width == 5
    assert built(noise_size=3).noise_size == 3
    weight, flat = (g.network.to_image.weight for g in (built(), built(image_gain=0.01)))
    torch.testing.assert_close(weight, 10 * flat)


def test_several_processes_need_a_folder_to_share(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for stage in (lambda: api.search(images), lambda: api.train("dcgan", images, gan=GAN)):
        with pytest.raises(UserError, match="out: name a folder that all processes share"):
            stage()


def test_an_evaluation_loads_the_generator_where_it_is_to_run(
    images: ImageSet, generator: Generator, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator.save(tmp_path / "generator")
    asked, load = [], Generator.load
    monkeypatch.setattr(Generator, "load", lambda folder, device: asked.append(device) or load(folder, device))
    api.evaluate(tmp_path / "generator", images, device="cpu", progress=False, evaluate={"num_samples": 16})
    assert asked == [torch.device("cpu")]


def test_settings_that_are_none_are_refused(images: ImageSet) -> None:
    with pytest.raises(UserError, match="search: settings are a SearchSettings or a dictionary, not int"):
        api.search(images, search=5)  # type: ignore[arg-type]


def test_wrong_types_are_told_before_anything_is_written(images: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="preset: unknown preset None; choose from default"):
        api.search(images, tmp_path / "run", preset=None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="seed: must be a whole number, not 'x'"):
        api.invert("degas-digits", images, tmp_path / "run", seed="x")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [{}, {"max_params": 10**9}])
def test_a_search_up_first_finds_an_architecture_of_that_order(
    images: ImageSet, tmp_path: Path, more: dict[str, Any]
) -> None:
    settings = {"width": 2, "noise_size": 3, "batch_images": 8, "num_epochs": 1, "plateau_share": 0.0, **more}
    space = {"order": "up-normal", "num_normal": 2}
    found = api.search(images, tmp_path, search=settings, space=space, progress=False)
    assert found.order == "up-normal"
    assert Architecture.load(tmp_path / "search" / "architecture.json") == found
    generator = Generator.from_architecture(found)
    assert generator.sample(2).shape == (2, 3, 8, 8)
