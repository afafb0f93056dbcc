"""A source of the user's own is read like any other; names that are taken or look like paths are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from degas.data import registered
from degas.data.sources import load_images, register_source
from degas.errors import UserError
from degas.settings.sections import DataSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "SOURCES", {})


def test_images_alone_and_with_labels() -> None:
    register_source("plain", lambda: IMAGES)
    register_source("labelled", lambda: (IMAGES, [0, 1, 0, 1, 2, 2]))
    register_source("named", lambda: (IMAGES[..., 0], np.array([0, 1, 0, 1, 0, 1]), ("cat", "dog")))
    settings = DataSettings(image_size=8)
    plain = load_images("plain", settings)
    assert np.array_equal(plain.images, IMAGES.transpose(0, 3, 1, 2))
    assert (plain.labels, plain.num_classes, plain.source) == (None, 0, "plain")
    labelled = load_images("labelled", settings)
    assert labelled.labels is not None
    assert (labelled.labels.tolist(), labelled.class_names) == ([0, 1, 0, 1, 2, 2], ("0", "1", "2"))
    named = load_images("named", settings)
    assert (named.channels, named.class_names) == (1, ("cat", "dog"))
    assert len({plain.fingerprint, labelled.fingerprint, named.fingerprint}) == 3


def test_size_and_subset_apply_as_everywhere() -> None:
    register_source("plain", lambda: IMAGES)
    assert load_images("plain", DataSettings(image_size=4, max_images=5)).images.shape == (5, 3, 4, 4)
    assert load_images("plain", DataSettings()).image_size == 32
    with pytest.raises(UserError, match="has no parts"):
        load_images("plain", DataSettings(split="train"))


@pytest.mark.parametrize("name", ["digits", "cifar10", "mine"])
def test_a_taken_name(name: str) -> None:
    register_source("mine", lambda: IMAGES)
    with pytest.raises(UserError, match="already registered"):
        register_source(name, lambda: IMAGES)


@pytest.mark.parametrize("name", ["", "a/b", "x.npz", "hub:x", "~"])
def test_a_name_that_could_be_a_path(name: str) -> None:
    with pytest.raises(UserError, match="use letters"):
        register_source(name, lambda: IMAGES)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (IMAGES.astype(np.float32), "float32 pixels"),
        (IMAGES[0, 0], "shape"),
        ((IMAGES, [0, 1]), "expected 6 integers"),
        ((IMAGES, [0, 1, 2, 3, 4, 5], ("a", "b")), "expected 0 to 1"),
    ],
)
def test_what_a_function_may_not_return(made: Any, message: str) -> None:
    register_source("wrong", lambda: made)
    with pytest.raises(UserError, match=f"^wrong: .*{message}"):
        load_images("wrong", DataSettings(image_size=8))


def test_a_near_miss_names_it() -> None:
    register_source("stripes", lambda: IMAGES)
    with pytest.raises(UserError, match="did you mean 'stripes'"):
        load_images("stripe", DataSettings())
