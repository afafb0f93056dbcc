"""What presets change."""

from __future__ import annotations

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
