"""A standalone fit learns, depends on the seed alone, and reads the settings that are said to matter and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.glo.glo import mean_image_loss
from degas.nas.glo.standalone import FIT_SETTINGS, fit_alone, fit_settings
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

ARCHITECTURE = Architecture(1, 1, 4, 8, 6, 3, SearchSpace(1).draw(1))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


class Watched:
    """Settings that remember which of them were read."""

    def __init__(self, settings: SearchSettings) -> None:
        self._settings = settings
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._settings, name)


def test_fit_alone_learns_and_depends_on_the_seed_alone(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    images, settings = make_images(), make_settings(weight_lr=1e-2)

    def fit(seed: int, num_epochs: int) -> float:
        return fit_alone(ARCHITECTURE, images, settings, seed=seed, num_epochs=num_epochs, engine=engine)

    fitted = fit(0, 25)
    assert fitted < 0.7 * mean_image_loss(images, settings, engine.device)
    assert fitted < fit(0, 2)
    assert fit(0, 2) == fit(0, 2) != fit(1, 2)


def test_fit_alone_refuses_other_images(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    with pytest.raises(UserError, match="the architecture makes 3×8×8 images, but the data are 1×16×16"):
        fit_alone(ARCHITECTURE, make_images(4, 16, 1), make_settings(), seed=0, num_epochs=1, engine=engine)


def test_a_fit_reads_the_fit_settings_and_no_others(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings], engine: Engine
) -> None:
    """So trials may be compared, and resumed, whatever is changed about the search."""
    read: set[str] = set()
    for changes in ({}, {"weight_optimizer": "sgd", "latent_optimizer": "sgd", "latent_init": "random"}):
        watched = Watched(make_settings(**changes))
        fit_alone(ARCHITECTURE, make_images(), watched, seed=0, num_epochs=1, engine=engine)  # type: ignore[arg-type]
        read |= watched.read
    assert read == set(FIT_SETTINGS) - {"precision"}  # which the engine was made with


def test_fit_settings_are_their_values() -> None:
    found = fit_settings(SearchSettings(weight_lr=0.25, alpha_lr=1.0))
    assert set(found) == set(FIT_SETTINGS)
    assert found["weight_lr"] == 0.25
    assert found == fit_settings(SearchSettings(weight_lr=0.25, schedule="alternate", num_epochs=7))
