"""What presets change."""

from __future__ import annotations

from typing import Any

import pytest

from degas.settings.presets import preset_values
from degas.settings.sections import SpaceSettings
from degas.space.shipped import load_shipped


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
    assert (search["weight_lr"], search["latent_lr"]) == (rate, 10 * rate)
    literal = preset_values("paper-literal", source)["search"]
    assert (literal["weight_lr"], literal["latent_lr"]) == (rate, rate)


def test_the_paper_presets_differ_in_momentum_and_the_latents_rate_alone() -> None:
    paper, literal = preset_values("paper"), preset_values("paper-literal")
    differ = {
        f"{section}.{name}": (value, literal[section][name])
        for section, values in paper.items()
        for name, value in values.items()
        if literal[section][name] != value
    }
    assert differ == {"search.weight_momentum": (0.0, 0.9), "search.latent_lr": (3.0, 0.3)}
    assert {name: list(values) for name, values in paper.items()} == {n: list(v) for n, v in literal.items()}


@pytest.mark.parametrize(
    ("begun", "rates"),
    [
        ({"preset": "paper", "search": {"weight_lr": 0.3, "latent_lr": 0.1}}, (0.3, 0.1)),
        ({"preset": "default", "search": {"weight_lr": 0.3, "latent_lr": 0.1}}, (0.03, 0.3)),
        ({"preset": "paper", "search": {"weight_lr": "fast"}}, (0.03, 0.3)),
        ({"preset": "paper", "search": 7}, (0.03, 0.3)),
        ({}, (0.03, 0.3)),
    ],
)
def test_a_search_that_has_begun_with_the_preset_keeps_its_rates(
    begun: dict[str, Any], rates: tuple[float, float]
) -> None:
    search = preset_values("paper", "celeba", begun)["search"]
    assert (search["weight_lr"], search["latent_lr"]) == rates


def test_a_search_that_began_when_paper_was_the_literal_reading_keeps_its_momentum() -> None:
    begun = {"preset": "paper", "search": {"weight_lr": 0.3, "latent_lr": 0.3, "weight_momentum": 0.9}}
    search = preset_values("paper", "cifar", begun)["search"]
    assert (search["latent_lr"], search["weight_momentum"]) == (0.3, 0.9)


def test_the_hand_made_architecture_of_the_demos_kind_lies_in_the_space_of_quick() -> None:
    """What short trainings found good can be found: up-sampling first, two plain convolutions, nearest up-sampling."""
    settings = SpaceSettings(**preset_values("quick")["space"])
    space, _ = settings.resolve(16)
    shipped = load_shipped("up-normal-n2").for_image_size(16)
    assert (shipped.order, shipped.num_normal) == (space.order, space.num_normal)
    used = {edge.operation for edge in shipped.edges}
    assert used <= {*space.normal_operations, *space.up_operations}


def test_a_run_that_began_with_quick_in_the_defaults_space_keeps_space_and_start() -> None:
    older = {"preset": "quick", "space": {"order": "normal-up", "num_normal": 1, "normal_operations": ["skip"]}}
    kept = preset_values("quick", begun=older)
    assert "space" not in kept
    assert "frame_start" not in kept["gan"]
    assert kept["search"] == preset_values("quick")["search"]
    newer = {"preset": "quick", "space": {"order": "up-normal", "num_normal": 2}}
    for begun in (newer, {**older, "preset": "default"}, {"preset": "quick", "space": 7}, {}, None):
        assert preset_values("quick", begun=begun) == preset_values("quick")
    assert preset_values("quick")["gan"]["frame_start"] == "resnet"  # not deleted from the table itself
