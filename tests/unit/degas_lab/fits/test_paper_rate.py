from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from degas.data.image_set import ImageSet
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab.fits.paper_rate import (
    PAPER,
    TRIALS,
    format_table,
    hold_last_norm,
    measure,
    probe,
    run_trial,
    trial_settings,
)

SMALL = {"width": 4, "noise_size": 6, "num_epochs": 1, "batch_images": 8}


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return ImageSet(np.random.default_rng(0).integers(0, 256, (16, 3, 8, 8), dtype=np.uint8), None, (), "noise", "0")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def make_search(images: ImageSet, engine: Engine) -> Search:
    return Search(images, SearchSettings(**{**PAPER, **SMALL}), SpaceSettings(), seed=0, engine=engine)


def test_every_trial_is_a_valid_change_of_the_papers_settings() -> None:
    for changes in TRIALS.values():
        trial_settings(changes)
    literal = trial_settings(TRIALS["literal"])
    assert (literal.weight_optimizer, literal.weight_lr, literal.weight_momentum) == ("sgd", 0.3, 0.9)
    assert (literal.latent_optimizer, literal.latent_lr, literal.latent_init) == ("sgd", 0.3, "random")


def test_a_probe_changes_nothing(images: ImageSet, engine: Engine) -> None:
    search, twin = make_search(images, engine), make_search(images, engine)
    seen = probe(search, 0)
    assert list(seen["places"]) == ["latents", "U0", "N1", "U1", "last BN", "last ReLU"]
    assert all(place["zero_share"] < 1 for place in seen["places"].values())
    for made in (search, twin):
        made.step(0)
    for ours, theirs in zip(search.supernet.state_dict().values(), twin.supernet.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(search.signal.table.rows, twin.signal.table.rows)


def test_a_probe_sees_a_dead_last_relu(images: ImageSet, engine: Engine) -> None:
    search = make_search(images, engine)
    with torch.no_grad():
        search.supernet.backbone.norm.weight.fill_(0.01)
        search.supernet.backbone.norm.bias.fill_(-1.0)
        search.supernet.backbone.to_image.bias.fill_(0.1)
    seen = probe(search, 0)
    assert seen["positive_share_of_last_relu"] == 0
    assert seen["dead_channels_of_last_relu"] == 4
    assert seen["places"]["last ReLU"]["gradient_norm"] > 0
    for name in ("last BN", "U1", "U0", "latents"):
        assert seen["places"][name] == {**seen["places"][name], "gradient_norm": 0.0, "zero_share": 1.0}


def test_a_held_norm_stays_at_one_and_zero(images: ImageSet, engine: Engine) -> None:
    search = make_search(images, engine)
    hold_last_norm(search)
    before = search.supernet.backbone.linear.weight.clone()
    search.step(0)
    assert (search.supernet.backbone.norm.weight == 1).all()
    assert (search.supernet.backbone.norm.bias == 0).all()
    assert not torch.equal(search.supernet.backbone.linear.weight, before)


def test_a_trial_and_its_line_of_the_table(images: ImageSet, engine: Engine) -> None:
    record = run_trial({**SMALL, "latent_lr": 3.0}, images, seed=0, engine=engine)
    assert [entry["step"] for entry in record["history"]] == [0, 1]
    assert record["mean_image_loss"] > 0
    line = format_table({"latents-10x": record}).splitlines()[2]
    assert line.startswith("| latents-10x | sgd 0.3, momentum 0.9 | sgd 3, random |")


def test_finished_trials_are_read_back(images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRIALS, "tiny", dict(SMALL))
    said: list[str] = []
    first = measure(images, tmp_path, ["tiny"], seed=0, say=said.append)
    monkeypatch.setattr("degas_lab.fits.paper_rate.run_trial", pytest.fail)
    assert measure(images, tmp_path, ["tiny"], seed=0, say=said.append) == first
    assert len(said) == 2
    assert said[0] == said[1]
