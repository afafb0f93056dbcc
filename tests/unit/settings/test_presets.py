"""What presets change."""

from __future__ import annotations

from typing import Any

import pytest

from degas.settings.presets import preset_values


@pytest.mark.parametrize(
    ("source", "rate"),
    [
        ("/data/stl10_binary.tar.gz", 0.03),
        ("STL-10/unlabeled", 0.03),
        ("/data/img_align_celeba.zip", 0.03),
        ("hub:someone/CelebA", 0.03),
        ("/home/kristl/cifar-10-python.tar.gz", 0.3),
        ("/data/castles", 0.3),
        ("digits", 0.3),
    ],
)
def test_the_papers_rate_depends_on_the_data_set_and_not_on_letters_in_its_path(source: str, rate: float) -> None:
    search = preset_values("paper", source)["search"]
    assert (search["weight_lr"], search["latent_lr"]) == (rate, rate)


@pytest.mark.parametrize(
    ("begun", "rates"),
    [
        ({"preset": "paper", "search": {"weight_lr": 0.3, "latent_lr": 0.1}}, (0.3, 0.1)),
        ({"preset": "default", "search": {"weight_lr": 0.3, "latent_lr": 0.1}}, (0.03, 0.03)),
        ({"preset": "paper", "search": {"weight_lr": "fast"}}, (0.03, 0.03)),
        ({"preset": "paper", "search": 7}, (0.03, 0.03)),
        ({}, (0.03, 0.03)),
    ],
)
def test_a_search_that_has_begun_with_the_preset_keeps_its_rates(
    begun: dict[str, Any], rates: tuple[float, float]
) -> None:
    search = preset_values("paper", "celeba", begun)["search"]
    assert (search["weight_lr"], search["latent_lr"]) == rates
