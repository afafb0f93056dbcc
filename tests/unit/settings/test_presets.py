"""What presets change."""

from __future__ import annotations

from typing import Any

import pytest

from degas.gan.fine_tune import FIRST_WEIGHTS
from degas.settings.presets import PRESETS, preset_values
from degas.settings.sections import GanSettings, SpaceSettings
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
    search = preset_values("paper", "celeba", {"search": begun})["search"]
    assert (search["weight_lr"], search["latent_lr"]) == rates


def test_a_search_that_began_when_paper_was_the_literal_reading_keeps_its_momentum() -> None:
    begun = {"preset": "paper", "search": {"weight_lr": 0.3, "latent_lr": 0.3, "weight_momentum": 0.9}}
    search = preset_values("paper", "cifar", {"search": begun})["search"]
    assert (search["latent_lr"], search["weight_momentum"]) == (0.3, 0.9)


@pytest.mark.parametrize("preset", ["quick", "default"])
def test_the_hand_made_architecture_of_the_demos_kind_lies_in_the_presets_space(preset: str) -> None:
    """What short trainings found good can be found: up-sampling first, two plain convolutions, nearest up-sampling."""
    settings = SpaceSettings(**preset_values(preset)["space"])
    space, _ = settings.resolve(16)
    shipped = load_shipped("up-normal-n2").for_image_size(16)
    assert (shipped.order, shipped.num_normal) == (space.order, space.num_normal)
    used = {edge.operation for edge in shipped.edges}
    assert used <= {*space.normal_operations, *space.up_operations}


def test_the_papers_space_is_that_of_the_settings_without_a_preset() -> None:
    assert preset_values("paper-space") == {}
    space, _ = SpaceSettings().resolve(32)
    assert space.count_continuous() == 145_800_000


@pytest.mark.parametrize("preset", ["quick", "default"])
def test_a_run_that_began_in_the_papers_space_keeps_it(preset: str) -> None:
    today = preset_values(preset)
    space = SpaceSettings().model_dump(mode="json")
    kept = preset_values(preset, begun={"search": {"preset": preset, "space": space}})
    assert SpaceSettings(**kept.pop("space")) == SpaceSettings()
    assert kept == {section: values for section, values in today.items() if section != "space"}
    other = "default" if preset == "quick" else "quick"
    for begun in ({"search": {"preset": other, "space": space}}, {"search": {"preset": preset, "space": 7}}, {}, None):
        assert preset_values(preset, begun=begun) == today
    assert preset_values(preset) == today  # nothing was changed in the table itself


@pytest.mark.parametrize("preset", ["quick", "default", "paper"])
def test_a_training_keeps_the_start_that_it_began_with(preset: str) -> None:
    begun = {"train": {"preset": preset, "gan": {"frame_start": "resnet", "width": 8}}}
    kept, today = preset_values(preset, begun=begun), preset_values(preset)
    assert kept == {**today, "gan": {**today.get("gan", {}), "frame_start": "resnet"}}
    begun["train"]["preset"] = "paper-space"
    assert preset_values(preset, begun=begun) == today


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_sets_first_weights_which_init_rejects(preset: str) -> None:
    gan = GanSettings(**preset_values(preset).get("gan", {}))
    assert {name: getattr(gan, name) for name in FIRST_WEIGHTS} == {
        name: getattr(GanSettings(), name) for name in FIRST_WEIGHTS
    }
