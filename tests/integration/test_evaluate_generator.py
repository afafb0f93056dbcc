"""A real generator through the whole of evaluation: streamed samples, labels, scores; independent of batch sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_extractor import TinyExtractor

from degas.data.image_set import ImageSet
from degas.evaluation.evaluate import evaluate_generator, evaluate_images
from degas.evaluation.extractors.base import Extractor, freeze
from degas.generator.generator import Generator
from degas.generator.untrained import untrained_copy
from degas.settings.sections import EvaluateSettings


def _generator(num_classes: int = 0) -> Generator:
    torch.manual_seed(0)
    sizes = {"width": 8, "noise_size": 6, "base_size": 4, "num_stages": 1, "channels": 3}
    return Generator.from_baseline("dcgan", **sizes, num_classes=num_classes)  # type: ignore[arg-type]


@pytest.fixture
def images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 3, 8, 8)).astype(np.uint8)
    return ImageSet(pixels, None, (), "noise", "noise")


@pytest.fixture
def extractor() -> Extractor:
    return freeze(TinyExtractor(classifier_score=True))


def test_a_generators_scores_are_those_of_its_samples(images: ImageSet, extractor: Extractor) -> None:
    generator, settings = _generator(), EvaluateSettings(num_samples=130)
    result = evaluate_generator(generator, images, settings, seed=3, progress=False, extractor=extractor)
    samples = generator.sample(130, seed=3)
    again = evaluate_images(samples, images, settings, seed=3, progress=False, extractor=extractor)
    assert result["scores"] == again["scores"]
    assert result["generator"]["num_parameters"] == generator.num_parameters


def test_the_untrained_scores_are_those_of_fresh_weights(images: ImageSet, extractor: Extractor) -> None:
    generator, settings = _generator(), EvaluateSettings(num_samples=130)
    result = evaluate_generator(generator, images, settings, seed=3, progress=False, extractor=extractor)
    again = evaluate_images(
        untrained_copy(generator, 3).sample(130, seed=3), images, settings, seed=3, progress=False, extractor=extractor
    )
    without_floors = {name: entry for name, entry in again["scores"].items() if "_floor" not in name}
    assert result["untrained"] == without_floors
    assert result["untrained"]["fid_130_train[tiny]"] != result["scores"]["fid_130_train[tiny]"]
    off = settings.model_copy(update={"untrained": False})
    plain = evaluate_generator(generator, images, off, seed=3, progress=False, extractor=extractor)
    assert "untrained" not in plain
    assert plain["scores"] == result["scores"]


def test_an_untrained_copy_has_fresh_weights_of_its_seed_and_leaves_the_random_state(images: ImageSet) -> None:
    generator = _generator(5)
    state = torch.get_rng_state()
    copies = [untrained_copy(generator, seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    first, same, other = (copy.sample(4, labels=[0, 1, 2, 3]) for copy in copies)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first, generator.sample(4, labels=[0, 1, 2, 3]))
    assert first.float().std() > 5  # not the flat grey of batch norms without statistics
    assert (copies[0].num_classes, copies[0].sampling_bn, copies[0].training) == (5, "batch", False)


def test_scores_depend_on_the_seed_and_not_on_batch_images(images: ImageSet, extractor: Extractor) -> None:
    def run(seed: int, batch_images: int) -> object:
        settings = EvaluateSettings(num_samples=130, batch_images=batch_images)
        return evaluate_generator(_generator(), images, settings, seed=seed, progress=False, extractor=extractor)[
            "scores"
        ]

    assert run(0, 64) == run(0, 7)
    assert run(0, 64) != run(1, 64)


def test_evaluating_moves_no_weight_and_no_batch_norm_buffer(images: ImageSet, extractor: Extractor) -> None:
    generator = _generator()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    generator.train()
    evaluate_generator(generator, images, EvaluateSettings(num_samples=40), seed=0, progress=False, extractor=extractor)
    assert generator.training
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())


def test_a_conditional_generator_gets_a_class_agreement(images: ImageSet, extractor: Extractor) -> None:
    settings = EvaluateSettings(num_samples=40)
    result = evaluate_generator(_generator(5), images, settings, seed=0, progress=False, extractor=extractor)
    assert 0 <= result["scores"]["class_agreement_40[tiny]"]["value"] <= 1
