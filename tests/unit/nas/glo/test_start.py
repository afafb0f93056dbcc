"""The start of the latents: principal components are found once, on the device, and not at all on resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import degas
from degas.data.image_set import ImageSet
from degas.nas.glo import start
from degas.nas.glo.glo import Glo
from degas.nas.glo.latents import pca_latents
from degas.nas.glo.pca import whitened_scores, whitened_scores_on
from degas.nas.glo.start import first_latents
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.rng import torch_generator
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings

Make = Callable[..., Any]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where principal components were found, one entry each time; there need be no GPU."""
    places: list[str] = []

    def on_host(flat: np.ndarray, size: int, generator: torch.Generator, **how: bool) -> np.ndarray:
        places.append("cpu")
        return whitened_scores(flat, size, generator, **how)

    def on_device(
        device: torch.device, flat: np.ndarray, size: int, generator: torch.Generator, **how: bool
    ) -> torch.Tensor:
        places.append(device.type)
        return whitened_scores_on(CPU, flat, size, generator, **how)

    monkeypatch.setattr(start, "whitened_scores", on_host)
    monkeypatch.setattr(start, "whitened_scores_on", on_device)
    return places


@pytest.mark.parametrize(("size", "times"), [(8, 1), (32, 3)])
def test_on_the_cpu_every_seed_has_the_latents_of_a_fresh_process(
    size: int, times: int, make_images: Make, found: list[str]
) -> None:
    """Bit for bit; above 1,024 values an image the components themselves depend on the seed."""
    images = make_images(40, size=size)
    for seed in range(3):
        fresh = pca_latents(images.images, 50, torch_generator(seed, "latents"))
        assert torch.equal(first_latents(images, "pca", 50, seed, CPU), fresh)
    assert found == ["cpu"] * times


@pytest.mark.parametrize("size", [8, 32])
def test_on_a_gpu_all_seeds_share_the_components_and_agree_with_the_cpu(
    size: int, make_images: Make, found: list[str]
) -> None:
    images = make_images(40, size=size)
    rows = [first_latents(images, "pca", 20, seed, CUDA) for seed in range(3)]
    assert found == ["cuda"]
    for seed in range(3):
        assert torch.equal(rows[seed], rows[0])
        torch.testing.assert_close(rows[seed], first_latents(images, "pca", 20, seed, CPU), atol=1e-5, rtol=1e-4)


def test_on_a_gpu_what_is_beyond_the_rank_is_the_seeds(make_images: Make, found: list[str]) -> None:
    """40 images have 39 components."""
    images = make_images(40)
    one, other = (first_latents(images, "pca", 50, seed, CUDA) for seed in range(2))
    assert found == ["cuda"]
    assert not torch.equal(one[:, 39:], other[:, 39:])
    torch.testing.assert_close(one, first_latents(images, "pca", 50, 0, CPU), atol=1e-5, rtol=1e-4)


def test_other_images_sizes_and_devices_have_components_of_their_own(make_images: Make, found: list[str]) -> None:
    one, other = make_images(seed=0), make_images(seed=1)
    calls: list[tuple[ImageSet, int, torch.device]] = [(one, 4, CPU), (one, 4, CPU), (other, 4, CPU), (one, 5, CPU)]
    for images, size, device in [*calls, (one, 5, CUDA)]:
        wanted = pca_latents(images.images, size, torch_generator(0, "latents"))
        torch.testing.assert_close(first_latents(images, "pca", size, 0, device), wanted)
    assert found == ["cpu", "cpu", "cpu", "cuda"]


def test_several_seeds_find_them_once(tmp_path: Path, found: list[str], make_settings: Make) -> None:
    settings = make_settings(num_epochs=1)
    given: dict[str, Any] = {"search": settings, "progress": False, "device": "cpu"}
    given["data_settings"] = {"max_images": 24}
    degas.search("digits", tmp_path / "run", seeds=3, **given)
    assert found == ["cpu"]
    degas.search("digits", tmp_path / "one", seed=2, **given)
    several, one = (tmp_path / name / "search" for name in ("run", "one"))
    assert (several / "seed-2" / "alpha.jsonl").read_bytes() == (one / "alpha.jsonl").read_bytes()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_search_finds_them_once_and_a_resumed_one_never(
    optimizer: str, tmp_path: Path, found: list[str], make_images: Make, make_settings: Make
) -> None:
    """Stopped after five of nine steps; the check for degenerate ends needs none either. 3,072 values an image."""
    images, settings = make_images(size=32), make_settings(num_epochs=3, latent_optimizer=optimizer)
    search_into(tmp_path / "whole", images, settings, resume=False)
    assert found == ["cpu"]
    with StageFolder(tmp_path / "halves", settings={}, resume=False, kind="search") as folder:
        begun = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
        for step in range(5):
            begun.step(step)
        folder.save(5, begun.state_dict())
    assert found == ["cpu", "cpu"]
    search_into(tmp_path / "halves", images, settings, resume=True)
    assert found == ["cpu", "cpu"]
    ends = [(tmp_path / name / "degenerate.json").read_bytes() for name in ("whole", "halves")]
    assert ends[0] == ends[1]
    alpha = [(tmp_path / name / "alpha.jsonl").read_text().splitlines()[-1] for name in ("whole", "halves")]
    assert alpha[0] == alpha[1]


def search_into(path: Path, images: ImageSet, settings: SearchSettings, *, resume: bool) -> None:
    with StageFolder(path, settings={}, resume=resume, kind="search") as folder:
        engine = Engine(device="cpu")
        run_search(images, settings, SpaceSettings(), seed=0, folder=folder, engine=engine, progress=False)


def test_a_checkpoint_of_the_last_release_does_not_know_how_far_latents_moved(
    make_images: Make, make_settings: Make
) -> None:
    """None is said to be dead then."""
    settings = make_settings(latent_optimizer="sgd", latent_init="random")

    def search() -> Search:
        return Search(make_images(), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))

    old = search()
    state = old.signal.state_dict()
    del state["latents"]["distances"]
    new = search()
    new.signal.load_state_dict(state)
    metrics = [{"epoch": 1, "latent_gradient_norm": 0.1}]
    told = [[finding.kind for finding in each.signal.findings(each.weight_batches, 3, metrics)] for each in (old, new)]
    assert told == [["dead-latents"], []]
    assert isinstance(new.signal, Glo)
    assert torch.equal(new.signal.table.rows, old.signal.inputs(torch.arange(24)))


def test_raw_components_are_the_projections_on_the_principal_directions(make_images: Make) -> None:
    """By numpy's singular vectors, pixels in [−1, 1], longer rows scaled to length 1; other kinds are kept apart."""
    images = make_images(40, size=8)
    flat = images.images.reshape(40, -1) / 127.5 - 1.0
    centred = flat - flat.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ directions[:6].T  # (40, 6), signs free
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1)
    whitened = first_latents(images, "pca", 6, 0, CPU)
    raw = first_latents(images, "pca-raw", 6, 0, CPU).numpy()
    signs = np.sign((raw * expected).sum(axis=0))
    np.testing.assert_allclose(raw * signs, expected, atol=1e-5)
    assert torch.equal(first_latents(images, "pca", 6, 0, CPU), whitened)
    assert (first_latents(images, "pca-raw", 60, 0, CPU)[:, 40:] == 0).all()  # beyond the rank
