"""Held-out images move no weight, weights move no held-out latent, and the loss is that of the held-out images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_gan import toy_images

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.glo.standalone import alone, fit, fit_alone
from degas.nas.held_out import split_held_out
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.fits.held_out import fit_held_out, fit_latents

ARCHITECTURE = Architecture(1, 1, 4, 4, 6, 3, SearchSpace(1, 1).draw(2))
SETTINGS = SearchSettings(width=4, noise_size=6, batch_images=8, held_out_fraction=0.25)
GIVEN = {"seed": 1, "num_epochs": 3, "engine": Engine(device="cpu")}


def split_at(num_images: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The split of `fit_held_out`."""
    return split_held_out(num_images, fraction, seed=seed, purpose="held out")


def test_the_parts_are_disjoint_and_everything() -> None:
    fitted, held = split_at(20, 0.25, 3)
    assert len(held) == 5
    assert sorted([*fitted, *held]) == list(range(20))
    assert not np.array_equal(held, split_at(20, 0.25, 4)[1])
    assert not np.array_equal(held, split_held_out(20, 0.25, seed=3, purpose="another")[1])
    for fraction, part in ((0.0, "to hold out"), (0.01, "to hold out"), (0.99, "to fit")):
        with pytest.raises(UserError, match=f"leaves none {part}"):
            split_at(20, fraction, 0)


def test_held_out_images_move_no_weight_and_frozen_weights_stay() -> None:
    images = toy_images(24, 8)
    fitted, held = split_at(24, 0.25, 1)
    changed = images.images.copy()
    changed[held] = 255 - changed[held]
    weights = []
    for pixels in (images.images, changed):
        data = ImageSet(pixels, None, (), "toy", "0")
        settings = SETTINGS.model_copy(update={"latent_init": "random"})  # PCA would look at every image
        glo, batches = alone(ARCHITECTURE, data, settings, rows=fitted, **GIVEN)
        start = glo.table.rows.clone()
        fit(glo, batches)
        glo.recalibrate(fitted)
        assert torch.equal(glo.table.rows[held], start[held])
        before = {name: value.clone() for name, value in glo.network.state_dict().items()}
        others = glo.table.rows[fitted].clone()
        worse = glo.mean_loss(held)
        fit_latents(glo, held, 3)
        assert glo.mean_loss(held) < worse
        assert torch.equal(glo.table.rows[fitted], others)
        assert all(torch.equal(value, before[name]) for name, value in glo.network.state_dict().items())
        weights.append(before)
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_the_loss_is_a_mean_over_the_rows_asked_for() -> None:
    images = toy_images(24, 8)
    fitted, held = split_at(24, 0.25, 1)
    glo, batches = alone(ARCHITECTURE, images, SETTINGS, **GIVEN)
    fit(glo, batches)
    glo.recalibrate()
    whole = glo.mean_loss()
    assert whole == pytest.approx(0.75 * glo.mean_loss(fitted) + 0.25 * glo.mean_loss(held), rel=1e-5)
    assert whole == fit_alone(ARCHITECTURE, images, SETTINGS, **GIVEN)


def test_held_out_images_are_reconstructed_worse_than_fitted_ones_of_noise() -> None:
    """Noise has nothing to generalise: only the fitted images can be learnt by heart."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 3, 8, 8), dtype=np.uint8)
    noise = ImageSet(pixels, None, (), "noise", "0")
    settings = SETTINGS.model_copy(update={"latent_lr": 0.05})
    given = {**GIVEN, "num_epochs": 20}
    held = fit_held_out(ARCHITECTURE, noise, settings, **given)
    assert held > fit_alone(ARCHITECTURE, noise, settings, **given)
    assert held == fit_held_out(ARCHITECTURE, noise, settings, **given)
