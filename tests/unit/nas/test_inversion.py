"""Inversion: latents of known images are found, rows do not meet, a stopped one continues, the generator stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import degas
from degas.cli import main as cli
from degas.data.image_set import ImageSet
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.generator.generator import Generator
from degas.nas import inversion
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nas.inversion import invert, invert_batch, nearest_draws
from degas.settings.inversion import InvertSettings


def make_generator(num_classes: int = 0) -> Generator:
    torch.manual_seed(0)
    sizes = {"width": 8, "noise_size": 3, "base_size": 4, "num_stages": 1, "channels": 3}
    names = tuple(f"c{k}" for k in range(num_classes))
    return Generator.from_baseline("dcgan", **sizes, num_classes=num_classes, class_names=names).eval()


def image_set(pixels: Any, labels: Any = None) -> ImageSet:
    pixels = np.asarray(pixels)
    return ImageSet(pixels, labels, ("c0", "c1") if labels is not None else (), "given", f"{pixels.sum()}")


def test_images_that_the_generator_made_are_found_again(tmp_path: Path) -> None:
    generator = make_generator()
    images = image_set(generator.sample(6, seed=5))
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    settings = InvertSettings(num_steps=200, num_starts=128, batch_images=4)
    errors = invert(generator, images, tmp_path, settings, seed=0, progress=False)
    assert errors["mean_squared_error"] < 0.1 * errors["mean_image_squared_error"]
    latents = torch.from_numpy(load_file(tmp_path / "latents.safetensors")["latents"])
    assert latents.shape == (6, 3)
    target = to_symmetric(torch.from_numpy(images.images))
    with torch.no_grad():
        squares = (generator(latents) - target).square().flatten(1).mean(1)
    assert errors["squared_errors"] == pytest.approx(squares.tolist(), rel=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert (tmp_path / "reconstructions.png").stat().st_size > 0


def test_one_image_alone_has_the_latent_that_it_has_among_others() -> None:
    """The slow twin: a loop over images, each with its own optimiser."""
    generator, settings = make_generator(), InvertSettings(num_steps=20, num_starts=16)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8))
    together = invert_batch(generator, images, None, settings, seed=3)
    for k in range(5):
        alone = invert_batch(generator, images[k : k + 1], None, settings, seed=3)
        assert torch.allclose(alone["latents"][0], together["latents"][k], atol=1e-3)
        target = to_symmetric(images[k : k + 1])
        with torch.no_grad():
            terms = reconstruction_terms(generator(together["latents"][k : k + 1]), target)
        assert float(sum(terms.values())) == pytest.approx(float(together["loss"][k]), rel=1e-5)


def test_each_image_starts_from_the_nearest_draw() -> None:
    generator = make_generator(2)
    target = torch.rand(4, 3, 8, 8) * 2 - 1
    labels = torch.tensor([0, 1, 1, 0])
    found = nearest_draws(generator, target, labels, 10, seed=1, chunk=3)
    everything = torch.randn(10, 3, generator=inversion.torch_generator(1, "inversion"))
    for k in range(4):
        with torch.no_grad():
            made = generator(everything, labels[k].expand(10))
        distances = (made - target[k]).square().flatten(1).sum(1)
        assert torch.equal(found[k], everything[int(distances.argmin())])


def test_a_stopped_inversion_continues_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = make_generator()
    images = image_set(np.random.default_rng(0).integers(0, 256, (9, 3, 8, 8), dtype=np.uint8))
    settings = InvertSettings(num_steps=3, num_starts=4, batch_images=4)
    invert(generator, images, tmp_path / "whole", settings, seed=0, progress=False)
    done, made = invert_batch, []

    def killed(*arguments: Any) -> dict[str, Any]:
        made.append(1)
        return done(*arguments) if len(made) < 3 else 1 / 0  # type: ignore[return-value]

    monkeypatch.setattr(inversion, "invert_batch", killed)
    with pytest.raises(ZeroDivisionError):
        invert(generator, images, tmp_path / "halves", settings, seed=0, progress=False)
    made.clear()
    capsys.readouterr()
    invert(generator, images, tmp_path / "halves", settings, seed=0)
    assert len(made) == 1
    assert "invert: 1 steps in" in capsys.readouterr().err  # the finished ones are no work
    for name in ("latents.safetensors", "errors.json", "reconstructions.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes()
    with pytest.raises(UserError, match=r"holds another inversion: seed was 0 and is 1 now; give another --out"):
        invert(generator, images, tmp_path / "halves", settings, seed=1, progress=False)


def test_classes_of_images_and_generator_must_agree(tmp_path: Path) -> None:
    pixels = np.zeros((4, 3, 8, 8), np.uint8)
    with pytest.raises(UserError, match="the generator has 2 classes and the images 0"):
        invert(make_generator(2), image_set(pixels), tmp_path, InvertSettings(), seed=0, progress=False)


def test_the_command(tmp_path: Path, capsys: Any) -> None:
    make_generator().save(tmp_path / "generator")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", images=rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))
    places = ("--generator", tmp_path / "generator", "--data", tmp_path / "images.npz", "--out", tmp_path / "run")
    small = ("--invert.num-steps", 2, "--invert.num-starts", 4, "--quiet")
    assert cli.main(["invert", *map(str, (*places, *small))]) == 0
    assert "6 images, squared error" in capsys.readouterr().out
    written = json.loads((tmp_path / "run" / "inversion" / "errors.json").read_text())
    assert len(written["squared_errors"]) == 6
    again = degas.invert(
        tmp_path / "generator", str(tmp_path / "images.npz"), tmp_path / "run", progress=False,
        invert={"num_steps": 2, "num_starts": 4},
    )  # fmt: skip
    assert again == written
