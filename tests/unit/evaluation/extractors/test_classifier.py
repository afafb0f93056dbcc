"""The classifier extractor: architecture, training on a toy task, saving and loading, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from degas.data.image_set import ImageSet, content_fingerprint
from degas.data.loader import split
from degas.errors import UserError
from degas.evaluation.evaluate import evaluate_images
from degas.evaluation.extractors.base import freeze
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.extractors.classifier import ClassifierExtractor, ClassifierNetwork, to_pixels
from degas.evaluation.extractors.train_classifier import cycle, describe, measure_accuracy, shift, train_classifier
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import EvaluateSettings


def _striped(count: int = 120, channels: int = 1, size: int = 8, seed: int = 0) -> ImageSet:
    """Two classes: horizontal and vertical stripes in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    stripes = np.broadcast_to((np.arange(size) % 4 < 2)[:, None], (size, size)) * 140
    patterns = np.stack([stripes, stripes.T])[labels][:, None]
    images = (patterns + rng.integers(0, 110, (count, channels, size, size))).astype(np.uint8)
    names = ("across", "down")
    return ImageSet(images, labels.astype(np.int64), names, "stripes", content_fingerprint(images, labels, names))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("classifier")
    return folder, train_classifier(_striped(), folder, num_epochs=8, batch_images=20, progress=False)


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())  # type: ignore[no-any-return]


def test_a_toy_task_is_learnt_and_the_accuracy_saved(trained: tuple[Path, float]) -> None:
    folder, accuracy = trained
    assert accuracy == 1
    config = _config(folder)
    assert config["held_out_accuracy"] == accuracy
    assert (config["num_train"], config["num_held_out"]) == (108, 12)
    assert config["horizontal_flip"] is False  # grey: digits and letters do not mirror
    assert describe(config) == "2 classes, 108 images, held-out accuracy 100.0 % (12 images)"


def test_training_is_deterministic_and_depends_on_the_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_classifier(_striped(40, 3), tmp_path / name, seed=seed, num_epochs=1, batch_images=9, progress=False)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert _config(tmp_path / "a")["horizontal_flip"] is True


def test_held_out_images_train_nothing(tmp_path: Path) -> None:
    """Other pixels in the held-out rows leave the weights as they are."""
    images = _striped(40)
    _, held_out = split(40, 4, seed=0, purpose="classifier/split")
    changed = images.images.copy()
    changed[held_out] = 255 - changed[held_out]
    other = ImageSet(changed, images.labels, images.class_names, "other", "other")
    for name, data in (("a", images), ("b", other)):
        train_classifier(data, tmp_path / name, num_epochs=1, batch_images=18, progress=False)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_a_loss_that_is_not_finite_stops_the_training_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"classifier: the loss is \w+ at step \d+; lower learning_rate"):
        train_classifier(_striped(), tmp_path / "a", num_epochs=8, batch_images=20, learning_rate=1e30, progress=False)
    assert not (tmp_path / "a").exists()


def test_accuracy_of_wrong_labels_is_low(trained: tuple[Path, float]) -> None:
    images, network = _striped(), ClassifierExtractor.load(trained[0]).network
    assert images.labels is not None
    swapped = ImageSet(images.images, 1 - images.labels, images.class_names, "swapped", "swapped")
    assert measure_accuracy(network, images, np.arange(60)) == 1
    assert measure_accuracy(network, swapped, np.arange(60)) == 0


def test_the_extractor_gives_the_networks_features_and_a_card(trained: tuple[Path, float]) -> None:
    extractor = build_extractor(EvaluateSettings(extractor="classifier", classifier=trained[0]))
    images = torch.from_numpy(_striped().images[:5])
    features, logits = extractor(images)
    assert logits is not None
    assert (features.shape, logits.shape) == ((5, 256), (5, 2))
    assert extractor.card["held_out_accuracy"] == trained[1]
    assert not extractor.has_inception_score


def test_its_score_is_a_classifier_score_with_the_accuracy_beside_it(trained: tuple[Path, float]) -> None:
    settings = EvaluateSettings(extractor="classifier", classifier=trained[0], num_samples=60)
    scores = evaluate_images(_striped(60, seed=5).images, _striped(), settings, device="cpu", progress=False)["scores"]
    by_classes = {"classifier_score", "class_confidence"}
    assert {name.partition("_60")[0] for name in scores} == {"fid", "kid", "precision", "recall"} | by_classes
    score = scores["classifier_score_60[classifier]"]
    assert 1.4 < score["value"] <= 2
    assert score["extractor_card"]["held_out_accuracy"] == 1


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 16, 16)])
def test_images_of_another_kind_are_refused(trained: tuple[Path, float], shape: tuple[int, int, int]) -> None:
    extractor = ClassifierExtractor.load(trained[0])
    with pytest.raises(UserError, match="trained on 1×8 px"):
        extractor(torch.zeros(2, *shape, dtype=torch.uint8))


def test_a_colour_classifier_takes_grey_images_as_equal_channels() -> None:
    config = {"image_size": 8, "channels": 3, "widths": [32, 128, 256]}
    extractor = freeze(ClassifierExtractor(ClassifierNetwork(3, 2), config))
    grey = torch.from_numpy(_striped(4).images)
    assert torch.equal(extractor(grey).features, extractor(grey.expand(-1, 3, -1, -1)).features)


def test_a_damaged_folder_is_refused(tmp_path: Path, trained: tuple[Path, float]) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((trained[0] / name).read_bytes())
    for damage in ("{", "{}", json.dumps({**_config(trained[0]), "channels": 3})):
        (tmp_path / "config.json").write_text(damage)
        with pytest.raises(UserError, match=r"holds no classifier.*degas features train"):
            ClassifierExtractor.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(_config(trained[0])))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match="holds no classifier"):
        ClassifierExtractor.load(tmp_path)


def test_images_without_labels_or_too_few_are_refused(tmp_path: Path) -> None:
    images = _striped(30)
    unlabelled = ImageSet(images.images, None, (), "plain", "x")
    with pytest.raises(UserError, match="plain: a classifier needs labelled images"):
        train_classifier(unlabelled, tmp_path)
    with pytest.raises(UserError, match="10 images are too few"):
        train_classifier(_striped(10), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_first_layer_whitens_patches() -> None:
    images = torch.from_numpy(_striped(50, 3).images)
    network = ClassifierNetwork(3, 2)
    network.set_whitening(to_pixels(images), eps=0.0)
    out = network.whiten(to_pixels(images))  # (N, 24, 7, 7): twelve directions and their negatives
    assert torch.equal(network.whiten.weight[12:], -network.whiten.weight[:12])
    second_moment = torch.einsum("nchw,ndhw->cd", out[:, :12], out[:, :12]) / out[:, 0].numel()
    torch.testing.assert_close(second_moment, torch.eye(12), rtol=0, atol=1e-3)
    assert not network.whiten.weight.requires_grad


def test_the_learning_rate_makes_one_cycle() -> None:
    rates = [cycle(step, 40) for step in range(40)]
    assert max(rates) == rates[9] == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.05
    assert all(0 < cycle(step, n) <= 1 for n in (1, 2, 3) for step in range(n))


@pytest.mark.parametrize("size", [8, 16, 32, 48])
def test_the_network_takes_every_size_from_8(size: int) -> None:
    features, logits = ClassifierNetwork(3, 4).eval()(torch.zeros(2, 3, size, size))
    assert (features.shape, logits.shape) == ((2, 256), (2, 4))


def test_shifts_move_whole_images_by_at_most_two_pixels() -> None:
    batch = torch.zeros(200, 2, 32, 32, dtype=torch.uint8)
    batch[:, :, 16, 16] = torch.tensor([7, 9], dtype=torch.uint8)
    moved = shift(batch, torch.Generator().manual_seed(0))
    assert moved.shape == batch.shape
    assert moved.dtype == torch.uint8
    where = {tuple(place.tolist()) for image in moved for place in (image[0] == 7).nonzero()}
    assert where == {(y, x) for y in range(14, 19) for x in range(14, 19)}
    assert torch.equal(moved[:, 0] == 7, moved[:, 1] == 9)  # all channels alike
