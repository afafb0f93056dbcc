"""Scores: names, layout, floor, independence of the batch size, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_extractor import TinyExtractor
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.errors import Notice, UserError
from degas.evaluation import statistics
from degas.evaluation.evaluate import Evaluator, evaluate_generator, evaluate_images
from degas.evaluation.extractors.base import Extracted, Extractor, freeze
from degas.evaluation.scores import count_name, protocol_name
from degas.generator.generator import draw_labels
from degas.settings.sections import EvaluateSettings

Make = Callable[..., ImageSet]


def _evaluate(fake: Any, images: ImageSet, extractor: Extractor, n: int = 40, **settings: Any) -> dict[str, Any]:
    chosen = EvaluateSettings(num_samples=n, **settings)
    return evaluate_images(fake, images, chosen, seed=1, progress=False, extractor=extractor)


@pytest.mark.parametrize(
    ("count", "name"), [(50_000, "50k"), (5_000, "5k"), (1_797, "1797"), (1_000, "1k"), (500, "500"), (12_500, "12500")]
)
def test_counts_in_names_are_exact(count: int, name: str) -> None:
    assert count_name(count) == name


def test_protocol_names_are_those_of_the_contract() -> None:
    assert protocol_name("fid", 50_000, "inception") == "fid_50k_train"
    assert protocol_name("is", 50_000, "inception", reference="") == "is_50k"
    assert protocol_name("fid", 5_000, "imagenet") == "fid_5k_train[imagenet]"
    assert protocol_name("kid", 5_000, "classifier") == "kid_5k_train[classifier]"
    assert protocol_name("fid", 1_797, "imagenet-224", floor=True) == "fid_1797_train_floor[imagenet-224]"


def test_scores_have_the_layout_of_the_contract_and_are_json(tiny: Extractor, make_images: Make) -> None:
    images = make_images(100)
    result = _evaluate(make_images(40, seed=1).images, images, tiny)
    assert json.loads(json.dumps(result)) == result
    assert result["data"] == {"source": "made", "num_images": 100, "fingerprint": images.fingerprint}
    metrics = ["fid", "kid", "precision", "recall"]
    wanted = [f"{m}_40_train[tiny]" for m in metrics] + [f"{m}_40_train_floor[tiny]" for m in metrics]
    assert sorted(result["scores"]) == sorted(wanted)
    for entry in result["scores"].values():
        assert {"value", "std", "extractor", "num_samples", "reference"} <= set(entry)
        assert entry["extractor"] == "tiny"
        assert entry["num_samples"] == 40
    references = {name.removesuffix("[tiny]"): entry["reference"] for name, entry in result["scores"].items()}
    assert references["fid_40_train"] == "100 training images"
    assert references["kid_40_train"] == references["recall_40_train"] == "40 of 100 training images"
    assert references["fid_40_train_floor"] == "40 training images against 60 others"
    assert references["kid_40_train_floor"] == "40 training images against 40 others"


def test_real_images_score_at_the_floor_and_others_far_above_it(tiny: Extractor, make_images: Make) -> None:
    images = make_images(200)
    scores = _evaluate(make_images(100, seed=9).images, images, tiny, 100)["scores"]
    dark = _evaluate(make_images(100, seed=9).images // 4, images, tiny, 100)["scores"]
    floor = scores["fid_100_train_floor[tiny]"]["value"]
    assert scores["fid_100_train[tiny]"]["value"] < 3 * floor
    assert dark["fid_100_train[tiny]"]["value"] > 10 * floor
    assert dark["kid_100_train[tiny]"]["value"] > 10 * abs(scores["kid_100_train[tiny]"]["value"])
    assert dark["recall_100_train[tiny]"]["value"] < 0.2 < scores["recall_100_train[tiny]"]["value"]


def test_the_data_set_with_itself_scores_zero(tiny: Extractor, make_images: Make) -> None:
    images = make_images(70)
    scores = _evaluate(images.images, images, tiny, 70)["scores"]
    assert abs(scores["fid_70_train[tiny]"]["value"]) < 1e-9
    assert scores["precision_70_train[tiny]"]["value"] == scores["recall_70_train[tiny]"]["value"] == 1


def test_scores_do_not_depend_on_batch_size_or_chunks(tiny: Extractor, make_images: Make) -> None:
    images, fakes = make_images(90), torch.from_numpy(make_images(70, seed=1).images)
    whole = _evaluate(fakes, images, tiny, 70)
    for chunk in (1, 7, 64):
        again = _evaluate(fakes.split(chunk), images, tiny, 70, batch_images=chunk)
        assert again["scores"] == whole["scores"]


def test_fewer_images_than_asked_for_are_named_by_their_true_number(tiny: Extractor, make_images: Make) -> None:
    assert "fid_33_train[tiny]" in _evaluate(make_images(33).images, make_images(50), tiny, 5000)["scores"]


def test_the_floor_splits_a_small_set_in_halves(tiny: Extractor, make_images: Make) -> None:
    scores = _evaluate(make_images(40, seed=1).images, make_images(41), tiny)["scores"]
    floor = scores["fid_40_train_floor[tiny]"]
    assert (floor["num_samples"], floor["reference"]) == (20, "20 training images against 21 others")


def test_the_floor_can_be_left_out(tiny: Extractor, make_images: Make) -> None:
    assert not [n for n in _evaluate(make_images().images, make_images(), tiny, floor=False)["scores"] if "floor" in n]


def test_kid_and_recall_are_named_by_the_images_they_kept(
    tiny: Extractor, make_images: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FID takes all images in a stream; what needs pairs takes the first `KEPT_IMAGES` of them and says so."""
    monkeypatch.setattr(statistics, "KEPT_IMAGES", 25)
    scores = _evaluate(make_images(40, seed=1).images, make_images(90), tiny)["scores"]
    assert scores["fid_40_train[tiny]"]["num_samples"] == 40
    assert scores["kid_25_train[tiny]"]["reference"] == "25 of 90 training images"
    assert "recall_25_train_floor[tiny]" in scores


def test_only_the_2015_network_gives_an_inception_score(make_images: Make) -> None:
    images = make_images(60)

    def names(**flags: bool) -> set[str]:
        result = _evaluate(images.images, images, freeze(TinyExtractor(**flags)), 60)
        return {name.partition("_60")[0] for name in result["scores"]}

    assert not names() & {"is", "classifier_score"}
    assert "is" in names(inception_score=True)
    assert {"classifier_score", "class_confidence"} <= names(classifier_score=True)
    assert "class_confidence" not in names()
    assert "is" not in names(classifier_score=True)


class _Toy:
    """Stands in for a conditional generator: class k is a grey of brightness 50 k plus noise."""

    image_size, channels, num_classes, num_parameters, config = 8, 3, 5, 7, {"kind": "toy"}
    class_names: tuple[str, ...] = ()

    def state_dict(self) -> dict[str, Tensor]:
        return {"a": torch.ones(2)}

    def images(self, n: int, seed: int, labels: Tensor) -> Any:
        self.asked = labels
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randint(0, 40, (n, 3, 8, 8), generator=generator)
        return iter((labels[:, None, None, None] * 50 + noise).to(torch.uint8).split(9))


def test_without_labels_in_the_data_a_generator_is_asked_for_uniform_ones_and_that_is_told(
    make_images: Make,
) -> None:
    settings = EvaluateSettings(num_samples=50, untrained=False)
    extractor = freeze(TinyExtractor(classifier_score=True))
    with pytest.warns(Notice, match="labels are drawn uniformly, since made has no labels"):
        result = evaluate_generator(_Toy(), make_images(50), settings, seed=4, progress=False, extractor=extractor)  # type: ignore[arg-type]
    assert 0 <= result["scores"]["class_agreement_50[tiny]"]["value"] <= 1
    assert result["generator"]["config"] == {"kind": "toy"}
    assert result["generator"]["num_parameters"] == 7


def _labelled(counts: dict[str, int], source: str = "made") -> ImageSet:
    """What `_Toy` would make, so many of each class; the names are in order of the alphabet."""
    names = tuple(sorted(counts))
    labels = np.repeat(np.arange(len(names)), [counts[name] for name in names])
    greys = np.array([50 * "abcde".index(name) for name in names])[labels]
    images = (greys[:, None, None, None] + np.random.default_rng(9).integers(0, 40, (len(labels), 3, 8, 8))).astype(
        np.uint8
    )
    return ImageSet(images, labels, names, source, "fingerprint of " + source)


def _asked(
    images: ImageSet, names: tuple[str, ...] = tuple("abcde"), n: int = 2000
) -> tuple[list[float], dict[str, Any]]:
    """Shares of the labels that an evaluation asks `_Toy` for, and its scores."""
    toy, settings = _Toy(), EvaluateSettings(num_samples=n, floor=False, untrained=False)
    toy.class_names = names
    evaluator = Evaluator(images, settings, extractor=freeze(TinyExtractor()))
    scores = evaluator.generator(toy, seed=1, progress=False)["scores"]  # type: ignore[arg-type]
    return (toy.asked.bincount(minlength=5) / n).tolist(), scores


def test_a_score_is_made_with_labels_as_frequent_as_in_the_data() -> None:
    rare = {"a": 900, "b": 30, "c": 30, "d": 30, "e": 10}
    shares, scores = _asked(_labelled(rare))
    assert shares == pytest.approx([0.9, 0.03, 0.03, 0.03, 0.01], abs=0.02)
    uniform = _Toy().images(2000, 1, draw_labels(2000, 5, 1))
    worse = _evaluate(torch.cat(list(uniform)), _labelled(rare), TinyExtractor(), 2000, floor=False)["scores"]
    name = next(name for name in scores if name.startswith("fid"))
    assert scores[name]["value"] < 0.1 * worse[name]["value"]


def test_equally_frequent_classes_are_asked_for_as_samples_are_drawn() -> None:
    shares, _ = _asked(_labelled(dict.fromkeys("abcde", 20)))
    assert shares == (draw_labels(2000, 5, 1).bincount() / 2000).tolist()


def test_frequencies_go_by_name_and_a_class_without_images_is_not_asked_for() -> None:
    shares, _ = _asked(_labelled({"b": 50, "d": 150}), names=("e\u0301", "d", "x", "b", "y"))
    assert shares == pytest.approx([0, 0.75, 0, 0.25, 0], abs=0.03)
    composed = ImageSet(np.zeros((9, 3, 8, 8), np.uint8), np.zeros(9, np.int64), ("é",), "made", "f")
    assert _asked(composed, names=("e\u0301", "d", "x", "b", "y"), n=50)[0] == [1, 0, 0, 0, 0]


def test_data_of_other_classes_are_scored_with_uniform_labels_and_told() -> None:
    with pytest.warns(Notice, match="uniformly, since made has none of the generator's classes"):
        shares, _ = _asked(_labelled({"a": 50, "b": 150}), names=tuple("vwxyz"))
    assert min(shares) > 0.15


class _Knowing(TinyExtractor):
    """A classifier that is right about `_Toy`'s greys: band b of brightness is the class of this number."""

    def __init__(self, band_to_class: tuple[int, ...] = (0, 1, 2, 3, 4), class_names: tuple[str, ...] = ()) -> None:
        super().__init__(classifier_score=True)
        self.band_to_class, self.class_names = band_to_class, class_names

    def forward(self, images: Tensor) -> Any:
        features, _ = super().forward(images)
        band = images.float().mean(dim=(1, 2, 3)).div(50).long()
        return Extracted(features, torch.eye(5)[torch.tensor(self.band_to_class)[band]])


def _agreement(make_images: Make, extractor: Extractor, names: tuple[str, ...] = ()) -> float | None:
    toy, settings = _Toy(), EvaluateSettings(num_samples=50, floor=False, untrained=False)
    toy.class_names = names  # type: ignore[attr-defined]
    result = evaluate_generator(toy, make_images(50), settings, seed=4, progress=False, extractor=freeze(extractor))  # type: ignore[arg-type]
    entry = result["scores"].get("class_agreement_50[tiny]")
    assert entry is None or (entry["num_samples"], entry["reference"]) == (50, "none")
    return None if entry is None else float(entry["value"])


def test_class_agreement_is_the_share_of_samples_of_the_class_that_was_asked_for(make_images: Make) -> None:
    labels = draw_labels(50, 5, 4)
    assert len(labels.unique()) == 5
    assert _agreement(make_images, _Knowing()) == 1
    assert _agreement(make_images, _Knowing((1, 2, 3, 4, 0))) == 0
    takes_all_for_3 = float((labels == 3).float().mean())
    assert _agreement(make_images, _Knowing((3, 3, 3, 3, 3))) == pytest.approx(takes_all_for_3)


def test_classes_agree_by_name_and_not_by_number(make_images: Make) -> None:
    mirrored = _Knowing((4, 3, 2, 1, 0), tuple("edcba"))
    assert _agreement(make_images, mirrored, tuple("abcde")) == 1


@pytest.mark.parametrize(("names", "reason"), [(tuple("abcdX"), "no class 'X'"), ((), "have no names")])
def test_no_agreement_with_a_classifier_of_other_classes(
    make_images: Make, names: tuple[str, ...], reason: str
) -> None:
    with pytest.warns(UserWarning, match=reason):
        assert _agreement(make_images, _Knowing(class_names=tuple("abcde")), names) is None


def test_a_generator_of_another_size_is_refused(tiny: Extractor, make_images: Make) -> None:
    with pytest.raises(UserError, match=r"3×8×8 images, but the data are 3×16×16"):
        evaluate_generator(_Toy(), make_images(size=16), EvaluateSettings(), seed=0, progress=False, extractor=tiny)  # type: ignore[arg-type]


def test_too_few_images_are_refused(tiny: Extractor, make_images: Make) -> None:
    with pytest.raises(UserError, match="made: 5 images"):
        _evaluate(make_images(40).images, make_images(5), tiny)
    with pytest.raises(UserError, match="num-samples: 3 images"):
        _evaluate(make_images(3).images, make_images(40), tiny)


def test_a_short_or_long_stream_is_an_error(tiny: Extractor, make_images: Make) -> None:
    chunks = torch.from_numpy(make_images(40).images).split(10)
    for n in (30, 50):
        with pytest.raises(ValueError, match="got 40 images instead of"):
            _evaluate(iter(chunks), make_images(40), tiny, n)


def test_the_cache_gives_equal_scores_without_a_second_pass_over_the_reals(
    tiny: Extractor, make_images: Make, tmp_path: Path
) -> None:
    images, fakes = make_images(90), make_images(40, seed=1).images
    settings = EvaluateSettings(num_samples=40)

    def run() -> tuple[dict[str, Any], int]:
        before = len(tiny.seen)  # type: ignore[arg-type]
        result = evaluate_images(fakes, images, settings, progress=False, cache=tmp_path, extractor=tiny)
        return result, len(tiny.seen) - before  # type: ignore[arg-type]

    first, passes = run()
    second, passes_cached = run()
    assert first == second
    assert (passes, passes_cached) == (3 + 4 + 3, 3)  # 40 and 50 reals, 40 fakes, 16 at a time
    assert np.isfinite(first["scores"]["fid_40_train[tiny]"]["value"])


def test_an_evaluator_passes_over_the_reals_once(tiny: Extractor, make_images: Make) -> None:
    evaluator = Evaluator(make_images(64), EvaluateSettings(num_samples=32), extractor=tiny)
    fakes = make_images(32, seed=1).images
    first = evaluator.fakes(fakes, progress=False)
    passes = len(tiny.seen)  # type: ignore[arg-type]
    assert evaluator.fakes(fakes, progress=False) == first
    assert len(tiny.seen) == passes + 2  # type: ignore[arg-type]  # 32 fakes, 16 at a time


def test_progress_counts_images(tiny: Extractor, make_images: Make, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = EvaluateSettings(num_samples=40)
    evaluate_images(make_images(40).images, make_images(60), chosen, extractor=tiny)
    assert "features (tiny): 100 images" in capsys.readouterr().err


def test_progress_counts_no_cached_references(
    tiny: Extractor, make_images: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither those on the disk nor those in memory are work."""
    chosen, fakes, images = EvaluateSettings(num_samples=40), make_images(40, seed=1).images, make_images(60)
    for told in (100, 40):
        evaluator = Evaluator(images, chosen, cache=tmp_path, extractor=tiny)
        evaluator.fakes(fakes)
        assert f"features (tiny): {told} images" in capsys.readouterr().err
    evaluator.cache = None
    evaluator.fakes(fakes)
    assert "features (tiny): 40 images" in capsys.readouterr().err
