"""The generator: shapes, sampling that depends on (seed, index) alone, the two files, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from degas.errors import UserError
from degas.generator.generator import Generator, draw_labels, draw_noise
from degas.nets.backbone import FLAT
from degas.nets.normalisation import batch_norms
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

SIZES = {"width": 6, "noise_size": 8, "base_size": 4, "num_stages": 2, "channels": 3}


def found(seed: int = 0, **options: Any) -> Generator:
    torch.manual_seed(seed)
    return Generator.from_architecture(Architecture(2, 1, 4, 6, 8, 3, SearchSpace(2).draw(seed)), **options)


def any_generator(kind: str, **options: Any) -> Generator:
    torch.manual_seed(0)
    return found(**options) if kind == "architecture" else Generator.from_baseline(kind, **SIZES, **options)


@pytest.mark.parametrize("kind", ["architecture", "resnet", "dcgan"])
def test_shape_and_range(kind: str) -> None:
    images = any_generator(kind)(3 * torch.randn(5, 8))
    assert images.shape == (5, 3, 16, 16)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("kind", ["architecture", "resnet", "dcgan"])
def test_saving_and_loading_is_exact(kind: str, tmp_path: Path) -> None:
    generator = any_generator(kind, num_classes=3, class_names=("a", "b", "c")).eval()
    generator.save(tmp_path)
    loaded = Generator.load(tmp_path)
    noise, labels = torch.randn(4, 8), torch.tensor([0, 1, 2, 0])
    assert torch.equal(loaded(noise, labels), generator(noise, labels))
    assert loaded.class_names == ("a", "b", "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_noise_rows_depend_on_seed_and_index_alone() -> None:
    whole = draw_noise(200, 5, seed=3)
    assert torch.equal(torch.cat([draw_noise(70, 5, 3), draw_noise(130, 5, 3, start=70)]), whole)
    assert not torch.equal(draw_noise(200, 5, seed=4), whole)
    assert abs(whole.mean()) < 0.1
    assert len(whole.unique(dim=0)) == 200


def test_labels_are_uniform_and_a_prefix_of_longer_draws() -> None:
    labels = draw_labels(6000, 3, seed=1)
    assert torch.equal(draw_labels(100, 3, seed=1), labels[:100])
    assert (labels.bincount() - 2000).abs().max() < 150


def test_labels_are_as_frequent_as_asked_for() -> None:
    labels = draw_labels(6000, 4, seed=1, counts=[30, 0, 60, 10])
    assert torch.equal(draw_labels(100, 4, seed=1, counts=[30, 0, 60, 10]), labels[:100])
    shares = labels.bincount(minlength=4) / 6000
    assert shares.tolist() == pytest.approx([0.3, 0, 0.6, 0.1], abs=0.02)
    assert shares[1] == 0
    assert torch.equal(draw_labels(100, 4, seed=1, counts=[7, 7, 7, 7]), draw_labels(100, 4, seed=1))


def test_samples_do_not_depend_on_the_batch_size() -> None:
    generator = found().eval()
    assert torch.equal(generator.sample(23, seed=1, batch_images=5), generator.sample(23, seed=1, batch_images=23))
    assert generator.sample(0).shape == (0, 3, 16, 16)


def test_sampling_with_batch_statistics_moves_no_buffer_and_differs() -> None:
    batch, running = found(sampling_bn="batch"), found(sampling_bn="running")
    before = {name: value.clone() for name, value in batch.state_dict().items()}
    samples = batch.sample(16)
    assert all(torch.equal(value, before[name]) for name, value in batch.state_dict().items())
    assert not torch.equal(samples, running.sample(16))


def test_sampling_keeps_the_training_mode() -> None:
    generator = found().train()
    generator.sample(2)
    assert generator.training


def stop_at(batches: Iterator[Tensor]) -> None:
    for _ in batches:
        raise KeyboardInterrupt


@pytest.mark.parametrize("sampling_bn", ["running", "batch"])
@pytest.mark.parametrize("training", [True, False])
def test_a_loop_over_images_leaves_grad_mode_and_training_alone(sampling_bn: Any, training: bool) -> None:
    """Between its batches, when left, and when it fails: who loops may train, or stop, at any batch."""
    generator = found(sampling_bn=sampling_bn).train(training)

    def states() -> list[bool]:
        frozen = any(not norm.update_buffers for norm in batch_norms(generator))
        return [torch.is_grad_enabled(), all(m.training == training for m in generator.modules()), not frozen]

    kept = generator.images(6, batch_images=2)
    for _ in kept:
        assert states() == [True] * 3
        break
    assert states() == [True] * 3  # `kept` is still open
    with torch.no_grad():
        next(kept)
        assert not torch.is_grad_enabled()
    assert states() == [True] * 3
    with pytest.raises(KeyboardInterrupt):
        stop_at(generator.images(6, batch_images=2))
    assert states() == [True] * 3
    generator.network.forward = lambda *_: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        next(generator.images(2))
    assert states() == [True] * 3


def test_labels_choose_the_class() -> None:
    generator = found(num_classes=3)
    with torch.no_grad():
        for module in generator.modules():
            if hasattr(module, "class_bias"):
                module.class_bias.copy_(torch.tensor([0.0, 1.0, -1.0])[:, None].expand_as(module.class_bias))
    one, two = generator.sample(4, labels=1), generator.sample(4, labels=[2, 2, 2, 2])
    assert not torch.equal(one, two)
    assert torch.equal(one, generator.sample(4, labels=torch.ones(4, dtype=torch.long)))


@pytest.mark.parametrize("labels", [3, -1, [0, 1], [0.5] * 4])
def test_bad_labels_are_refused(labels: Any) -> None:
    with pytest.raises(UserError, match="labels"):
        found(num_classes=3).sample(4, labels=labels)


def test_an_unconditional_generator_refuses_labels() -> None:
    with pytest.raises(UserError, match="unconditional"):
        found().sample(4, labels=1)


def edited(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "x"}, "not a generator's config.json"),
        ({"kind": "resnett"}, "did you mean 'resnet'"),
        ({"num_classes": -1}, "num_classes"),
        ({"num_classes": 10**9}, "num_classes"),
        ({"class_names": ["a"]}, "class_names"),
        ({"sampling_bn": "x"}, "sampling_bn"),
        ({"architecture": {}}, "not an architecture file"),
        ({"kind": "resnet", "sizes": {**SIZES, "width": 10**9}}, "width"),
        ({"kind": "resnet", "sizes": {"width": 3}}, "exactly"),
        ({"kind": "resnet", "sizes": SIZES}, "does not fit the config.json"),
    ],
)
def test_a_damaged_configuration_gets_one_clear_line(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    found().save(tmp_path)
    edited(tmp_path, **values)
    with pytest.raises(UserError) as caught:
        Generator.load(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_weights_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Generator.load(tmp_path / "none")
    found().save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:100])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        Generator.load(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_the_gain_scales_the_first_images_and_nothing_else(seed: int) -> None:
    """A generator for a critic starts with lively images, one for a fit with nearly flat ones; same weights else."""
    lively, flat = found(seed), found(seed, image_gain=FLAT)
    noise = torch.randn(64, 8)
    assert 0.3 < lively(noise).std() < 0.9  # of tanh of about unit variance: 0.63
    assert flat(noise).std() < 0.12
    for name, value in flat.state_dict().items():
        scaled = 10 * value if name == "network.to_image.weight" else value
        torch.testing.assert_close(lively.state_dict()[name], scaled)


def test_noise_that_is_no_tensor_of_floats_is_refused_in_one_line() -> None:
    generator = any_generator("resnet")
    for noise, kind in (([[0.0]], "list"), (torch.zeros(2, generator.noise_size, dtype=torch.int64), "torch.int64")):
        with pytest.raises(UserError, match=rf"^noise: this generator takes a tensor of floats, not {kind}$"):
            generator(noise)


def test_what_it_cannot_take_is_refused_in_one_line() -> None:
    plain, conditional = found(), found(num_classes=3).eval()
    noise, labels = torch.randn(2, 8), torch.tensor([0, 1])
    for call, message in (
        (lambda: plain(torch.randn(2, 7)), r"noise: this generator takes \(N, 8\), not \(2, 7\)"),
        (lambda: plain(torch.randn(8)), r"not \(8,\)"),
        (lambda: conditional(noise), "labels: this generator has 3 classes; give one label per image"),
        (lambda: plain(noise, labels), "labels: this generator is unconditional"),
        (lambda: plain.sample(-1), "n: must be at least 0, not -1"),
        (lambda: plain.sample("a"), "n: must be a whole number, not 'a'"),
        (lambda: plain.sample(2, seed="a"), "seed: must be a whole number, not 'a'"),
        (lambda: conditional(noise, torch.tensor([0, 3])), "labels: must be in 0 … 2"),
        (lambda: conditional(noise, torch.tensor([-1, 0])), "labels: must be in 0 … 2"),
        (lambda: conditional(noise, torch.tensor([0, 1, 2])), "labels: 2 whole numbers are needed, one per image"),
        (lambda: conditional(noise, torch.tensor([0.0, 1.0])), "labels: 2 whole numbers are needed, one per image"),
        (lambda: conditional(noise, [0, 1]), "labels: 2 whole numbers are needed, one per image"),
    ):
        with pytest.raises(UserError, match=message):
            call()
