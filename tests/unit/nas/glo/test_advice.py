"""What to change when nothing is learned: it works under the preset that says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from degas.nas.glo.advice import advice
from degas.nas.glo.glo import mean_image_loss
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.presets import PRESETS
from degas.settings.sections import SearchSettings, SpaceSettings

Make = Callable[..., Any]
OPTION = re.compile(r"--search\.([\w-]+) ([\w.e-]+)")


def alternatives(text: str) -> list[dict[str, Any]]:
    """The options of each alternative in the advice, as values for `SearchSettings`."""
    return [
        {name.replace("-", "_"): value for name, value in OPTION.findall(part)} for part in re.split(r", or ", text)
    ]


def last_loss(search: Search) -> float:
    for step in range(search.total_steps):
        search.step(step)
        if (step + 1) % search.steps_per_epoch == 0:
            loss = search.take_epoch_loss()
    return loss


def test_both_alternatives_under_the_literal_preset_learn(make_images: Make) -> None:
    images, engine = make_images(), Engine(device="cpu")
    small = {"width": 8, "noise_size": 16, "batch_images": 8, "num_epochs": 60}
    literal = SearchSettings(**{**PRESETS["paper-literal"]["search"], **small})
    found = alternatives(advice(literal))
    assert found[0] == {"weight_momentum": "0", "latent_lr": "3"}
    assert found[1]["weight_optimizer"] == "adam"
    assert float(found[1]["weight_lr"]) == SearchSettings().weight_lr
    mean_image = mean_image_loss(images, literal, engine.device)
    for changes in found:
        settings = SearchSettings(**{**literal.model_dump(), **changes})
        search = Search(images, settings, SpaceSettings(separable_order="darts"), seed=0, engine=engine)
        assert last_loss(search) < 0.95 * mean_image, changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "lower --search.weight-lr"),
        ({"weight_lr": 1e-9}, "--search.weight-lr 0.003"),
        ({"latent_init": "random"}, "--search.latent-init pca"),
        ({**PRESETS["paper"]["search"]}, "--search.latent-optimizer adam --search.latent-lr 0.01"),
    ],
)
def test_the_advice_never_names_what_is_set_already(changes: dict[str, Any], expected: str) -> None:
    settings = SearchSettings(**changes)
    text = advice(settings)
    assert expected in text
    assert "momentum" not in text
    for option in alternatives(text):
        if option:
            assert SearchSettings(**{**settings.model_dump(), **option}) != settings
