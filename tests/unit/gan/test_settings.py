"""Adversarial settings: what an objective fills in, what it refuses, and where values in force come from."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from degas.errors import UserError
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import gan_section, resolve_gan, sources, training_rules
from degas.runtime.comparison import differences
from degas.settings.presets import PRESETS
from degas.settings.sections import GanSettings

VALUES: dict[str, Any] = {
    "penalty_weight": 1.0,
    "consistency_weight": 1.0,
    "consistency_feature_weight": 1.0,
    "consistency_margin": 1.0,
    "dropout": (0.1, 0.1, 0.1),
    "inconsistency_bound": 3.0,
    "gradient_weight": 1.0,
    "gradient_end_share": 0.5,
    "penalty_at": "augmented",
    "repulsive_bounds": (1.0, 0.5),
    "repulsive_patience": 3,
}
OWNERS = {
    "penalty_weight": {"ct-gan", "wgan-gp", "cagan"},
    "consistency_weight": {"ct-gan", "cagan"},
    "consistency_feature_weight": {"ct-gan", "cagan"},
    "consistency_margin": {"ct-gan"},
    "dropout": {"ct-gan", "cagan"},
    "inconsistency_bound": {"cagan"},
    "gradient_weight": {"r3gan"},
    "gradient_end_share": {"r3gan"},
    "penalty_at": {"r3gan"},
    "repulsive_bounds": {"mmd"},
    "repulsive_patience": {"mmd"},
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", VALUES)
def test_settings_of_another_objective_are_refused(objective: str, name: str) -> None:
    settings = GanSettings(objective=objective, **{name: VALUES[name]})
    if objective in OWNERS[name]:
        assert getattr(resolve_gan(settings).own, name) == VALUES[name]
        return
    with pytest.raises(UserError, match=f"--gan.{name.replace('_', '-')}.*{objective}") as error:
        resolve_gan(settings)
    assert all(owner in str(error.value) for owner in OWNERS[name])


def test_all_settings_of_other_objectives_are_named_at_once() -> None:
    with pytest.raises(UserError) as error:
        resolve_gan(GanSettings(objective="sn-gan", repulsive_patience=3, gradient_weight=1.0))
    assert str(error.value) == (
        "--gan.gradient-weight --gan.repulsive-patience: objective sn-gan has no such settings; they belong to: "
        "--gan.gradient-weight to r3gan, --gan.repulsive-patience to mmd"
    )


@pytest.mark.parametrize("name", ["class_weight_critic", "class_weight_generator"])
def test_class_weights_need_labels(name: str) -> None:
    with pytest.raises(UserError, match=r"without --gan\.supervised"):
        resolve_gan(GanSettings(**{name: 1.0}))
    given = GanSettings(supervised=True, class_head="classifier", **{name: 7.0})
    assert getattr(resolve_gan(given).own, name) == 7.0
    assert getattr(resolve_gan(GanSettings()).own, name) == 0
    assert resolve_gan(GanSettings()).as_config()[name] is None


@pytest.mark.parametrize("name", ["class_weight_critic", "class_weight_generator"])
def test_a_projection_has_no_class_loss(name: str) -> None:
    with pytest.raises(UserError, match=r"no class loss with a projection; give --gan\.class-head classifier$"):
        resolve_gan(GanSettings(objective="mmd", supervised=True, **{name: 1.0}))
    projecting = resolve_gan(GanSettings(objective="ct-gan", supervised=True, class_head="projection"))
    assert projecting.scores_labels
    assert getattr(projecting.own, name) == 0
    assert projecting.as_config()[name] is None
    assert projecting.as_config()["class_head"] == "projection"


def test_a_class_head_needs_labels() -> None:
    with pytest.raises(UserError, match=r"--gan\.class-head: there is no class head without --gan\.supervised"):
        resolve_gan(GanSettings(class_head="classifier"))
    assert not resolve_gan(GanSettings(objective="mmd")).scores_labels
    assert resolve_gan(GanSettings(objective="mmd")).as_config()["class_head"] is None


def test_a_training_from_before_there_was_a_choice_had_a_classifier() -> None:
    """Its config.json names no class head, and its weights have no projection."""
    classifier = GanSettings(objective="mmd", supervised=True, class_head="classifier")
    for given, fits in ((GanSettings(), True), (classifier, True), (GanSettings(supervised=True), False)):
        supervised = GanSettings() if not given.supervised else classifier
        before = {name: value for name, value in resolve_gan(supervised).as_config().items() if name != "class_head"}
        now, rules = resolve_gan(given).as_config(), training_rules(given)
        assert bool(differences({"gan": before}, {"gan": now}, rules)) != fits


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("supervised", [False, True])
def test_resolving_leaves_nothing_open(objective: str, supervised: bool) -> None:
    complete = resolve_gan(GanSettings(objective=objective, supervised=supervised))
    for settings in (complete, complete.own):
        unset = [name for name, value in settings if value is None]
        assert not set(unset) - {"layout"}  # what a critic's file holds; a registered critic has none
    assert complete.generator_batch_images == 2 * complete.batch_images
    assert complete.own.name == complete.objective == objective


def test_the_paper_preset_is_ct_gans_code() -> None:
    """Every value that an objective sets."""
    gan = resolve_gan(GanSettings(supervised=True, **PRESETS["paper"]["gan"]))
    expected = {
        "objective": "ct-gan",
        "num_steps": 100_000,
        "width": 128,
        "batch_images": 64,
        "generator_batch_images": 128,
        "critic_steps": 5,
        "generator_lr": 2e-4,
        "critic_lr": 2e-4,
        "betas": (0.0, 0.9),
        "lr_decay": "linear",
        "penalty_weight": 10.0,
        "consistency_weight": 2.0,
        "consistency_feature_weight": 0.2,
        "consistency_margin": 0.0,
        "dropout": (0.2, 0.5, 0.5),
        "class_head": "classifier",
        "class_weight_critic": 1.0,
        "class_weight_generator": 0.1,
        "ema_half_life_images": 0,
        "augment": "none",
        "horizontal_flip": False,
        "sampling_bn": "batch",
        "norm_parts": 2,
    }
    record = gan.as_config()
    assert {name: as_tuple(record[name]) for name in expected} == expected
    told = {name: source for name, _, source in sources(gan, PRESETS["paper"]["gan"])}
    assert told["objective"].startswith("paper")
    for name in expected.keys() - {"objective"}:
        assert told[name] == "CT-GAN code", name


def test_sources_name_preset_and_user() -> None:
    preset = {"num_steps": 77, "width": 16}
    gan = resolve_gan(GanSettings(**preset, objective="sn-gan", batch_images=3, augment="diffaugment"))
    told = {name: (value, source) for name, value, source in sources(gan, preset)}
    assert list(told) == list(GanSettings.model_fields)
    assert told["num_steps"] == (77, "preset")
    assert told["batch_images"] == (3, "given")
    assert told["augment"] == ("diffaugment", "given")
    assert told["critic_lr"][1] == "SN-GAN"
    assert told["penalty_weight"] == (None, "not in force")


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_steps", 0), ("generator_lr", 0.0), ("critic_lr", float("nan")), ("penalty", 1.0)],
)
def test_values_out_of_range_and_unknown_names_are_errors(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        GanSettings(**{name: value})


def test_a_class_head_that_nobody_teaches_is_refused() -> None:
    with pytest.raises(UserError, match=r"--gan\.class-weight-critic 0: the critic would not learn"):
        resolve_gan(GanSettings(supervised=True, class_head="classifier", class_weight_critic=0.0))
    given = GanSettings(supervised=True, class_head="classifier", class_weight_critic=0.0, class_weight_generator=0.0)
    resolve_gan(given)


def as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["wgan", "", "R3GAN", "./critic.json"])
def test_an_unknown_objective_is_an_error_that_names_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match=r"^--gan\.objective: unknown objective") as error:
        resolve_gan(GanSettings(objective=name))
    message = str(error.value)
    assert "\n" not in message
    assert any(known in message for known in OBJECTIVES)


def test_the_settings_of_our_own_objectives_are_options_without_torch() -> None:
    """Which the command line reads before it imports anything heavy."""
    assert gan_section() is GanSettings
    for name in OBJECTIVES:
        assert set(OBJECTIVES.find(name, "").model_fields) <= set(GanSettings.model_fields)


def test_sn_gan_is_its_authors_and_the_cheaper_one_has_a_name() -> None:
    own, cheap = (resolve_gan(GanSettings(objective=name)) for name in ("sn-gan", "sn-gan-ttur"))
    assert (own.own.critic_steps, own.own.generator_lr, own.own.critic_lr, own.betas) == (5, 2e-4, 2e-4, (0.0, 0.9))
    assert (cheap.own.critic_steps, cheap.own.generator_lr, cheap.own.critic_lr) == (1, 2e-4, 4e-4)
    assert cheap.own.critic_options == own.own.critic_options
