"""`degas evaluate --images`: any images, scored like a generator's samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_extractor import TinyExtractor

from degas.api import stages as api
from degas.cli import main as cli
from degas.data.image_set import ImageSet, content_fingerprint
from degas.errors import Notice, UserError
from degas.evaluation import evaluate as evaluation
from degas.evaluation.evaluate import evaluate_images
from degas.evaluation.extractors.base import freeze
from degas.evaluation.reference import reference_order
from degas.figures.grids import save_png
from degas.settings.sections import EvaluateSettings


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluation, "build_extractor", lambda *_: freeze(TinyExtractor()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def image_set(seed: int, count: int) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8)).astype(np.uint8)
    return ImageSet(pixels, None, (), f"noise {seed}", content_fingerprint(pixels, None, ()))


def test_given_images_have_the_scores_of_the_same_images_in_memory(tmp_path: Path) -> None:
    """In a fixed random order, since a folder may be sorted by class; all of them, or `num_samples`."""
    theirs, reference = image_set(1, 40), image_set(2, 48)
    for wanted, used in ((100, 40), (16, 16)):
        settings = {"num_samples": wanted, "floor": False}
        out = tmp_path / str(wanted)
        found = api.evaluate(None, reference, out, images=theirs, evaluate=settings, progress=False)
        rows = reference_order(40)[:used]
        plain = EvaluateSettings(num_samples=used, floor=False)
        slow = evaluate_images(theirs.images[rows], reference, plain, progress=False, extractor=freeze(TinyExtractor()))
        assert found["scores"] == slow["scores"]
        assert f"fid_{used}_train[tiny]" in found["scores"]
        assert found["generator"] == {"images": theirs.identity}
        assert json.loads((out / "evaluation" / "scores.json").read_text()) == found


def test_scores_of_the_same_images_are_kept_and_those_of_others_are_not(tmp_path: Path) -> None:
    reference = image_set(2, 48)

    def names(theirs: ImageSet, count: int) -> set[str]:
        settings = {"num_samples": count, "floor": False}
        found = api.evaluate(None, reference, tmp_path, images=theirs, evaluate=settings, progress=False)
        return {name for name in found["scores"] if name.startswith("fid")}

    assert names(image_set(1, 40), 16) == {"fid_16_train[tiny]"}
    assert names(image_set(1, 40), 20) == {"fid_16_train[tiny]", "fid_20_train[tiny]"}
    assert names(image_set(3, 40), 20) == {"fid_20_train[tiny]"}


@pytest.mark.parametrize(
    ("scores", "floor", "told"),
    [
        ({}, True, "only the floors mean something"),
        ({}, False, "no score means anything"),
        ({"inception_score": True}, True, "only the Inception Score and the floors mean something"),
        ({"inception_score": True}, False, "only the Inception Score means something"),
        ({"classifier_score": True}, False, "only class scores mean something"),
    ],
)
def test_the_data_itself_is_told(
    scores: dict[str, bool], floor: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "build_extractor", lambda *_: freeze(TinyExtractor(**scores)))
    settings = {"num_samples": 16, "floor": floor}
    with pytest.warns(Notice, match=f"the images are those of --data: {told}$"):
        api.evaluate(None, image_set(2, 48), images=image_set(2, 48), evaluate=settings, progress=False)


def test_a_generator_or_images_and_not_both() -> None:
    for generator, images in ((None, None), ("degas-digits", image_set(1, 8))):
        with pytest.raises(UserError, match="--generator or --images"):
            api.evaluate(generator, image_set(2, 48), images=images, progress=False)


def test_too_few_images_are_named_by_their_source(tmp_path: Path) -> None:
    few, enough = image_set(1, 3), image_set(2, 48)
    for images, data, name in ((few, enough, few.source), (enough, few, few.source)):
        with pytest.raises(UserError, match=f"^{name}: 3 images are too few to measure; at least 8 are needed$"):
            api.evaluate(None, data, tmp_path / "run", images=images, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_size_is_scored_at_the_size_of_the_data(tmp_path: Path, capsys: Any) -> None:
    rng = np.random.default_rng(0)
    for name, side in (("mine", 8), ("theirs", 11)):
        (tmp_path / name).mkdir()
        for k in range(12):
            save_png(rng.integers(0, 256, (side, side, 3), dtype=np.uint8), tmp_path / name / f"{k}.png")
    places = ("--images", tmp_path / "theirs", "--data", tmp_path / "mine", "--out", tmp_path / "run")
    settings = ("--data.image-size", 8, "--evaluate.num-samples", 12, "--quiet")
    assert cli.main(["evaluate", *map(str, (*places, *settings))]) == 0
    assert "fid_12_train[tiny]" in capsys.readouterr().out
    assert (tmp_path / "run" / "evaluation" / "generated_images.png").stat().st_size > 0
    assert cli.main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0
