"""What each objective and each preset changes of the settings' defaults, and where a value in force comes from.

Knows no torch and no stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from degas.config import GanSettings, Objective, Settings
from degas.errors import UserError

# What each objective takes where a setting is unset, and thereby which settings it has.
_CLASS = {"class_weight_critic": 1.0, "class_weight_generator": 0.1}
_DROPOUT = {"dropout": (0.2, 0.5, 0.5)}
_WGAN = {"critic_steps": 5, "generator_lr": 2e-4, "critic_lr": 2e-4, "penalty_weight": 10.0, **_CLASS}
OBJECTIVES: dict[Objective, dict[str, Any]] = {
    "ct-gan": {
        **_WGAN,
        **_DROPOUT,
        "consistency_weight": 2.0,
        "consistency_feature_weight": 0.2,
        "consistency_margin": 0.0,
    },
    "wgan-gp": dict(_WGAN),
    "sn-gan": {"critic_steps": 1, "generator_lr": 2e-4, "critic_lr": 4e-4, **_CLASS},
    # Its rates: the better ones of a short tuning on CIFAR-10 (JPEG), 2e-4 against 5e-4. The generator's class weight:
    # a classifier agrees with 91.5 % of digits' labels at 4.0, with 87 % at 1.0 (both in docs/results.md).
    "mmd": {
        "critic_steps": 1,
        "generator_lr": 5e-4,
        "critic_lr": 5e-4,
        "repulsive_bounds": (4.0, 0.25),
        **_CLASS,
        "class_weight_generator": 4.0,
    },
    # The generator's class weight: digits, preset quick, 1,000 samples: a classifier agrees with 96 % of labels at 1.0,
    # with 86 % at CT-GAN's 0.1 (docs/results.md).
    "r3gan": {
        "critic_steps": 1,
        "generator_lr": 2e-4,
        "critic_lr": 2e-4,
        "gradient_weight": 0.05,
        **_CLASS,
        "class_weight_generator": 1.0,
    },
}

# A preset is what it changes from the defaults above; `default` changes nothing.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # `quick` is sized for the demo: digits, under five minutes on two cores.
    "quick": {
        "search": {"num_epochs": 8, "checkpoint_steps": 50},
        "gan": {
            "num_steps": 2500,
            "width": 32,
            "generator_batch_images": 64,
            "sample_steps": 250,
            "checkpoint_steps": 250,
        },
        "evaluate": {"num_samples": 1797},
    },
    "default": {},
    "paper": {
        "space": {"order": "normal-up", "separable_order": "darts"},
        "search": {
            "width": 128,
            "num_epochs": 50,
            "schedule": "alternate",
            "weight_optimizer": "sgd",
            "weight_lr": 0.3,
            "weight_lr_min": 1e-3,
            "weight_decay": 3e-4,
            "latent_init": "random",
            "latent_optimizer": "sgd",
            "latent_lr": 0.3,
            "alpha_lr": 3e-4,
            "alpha_weight_decay": 1e-3,
            "prune": "paper",
        },
        "gan": {
            "objective": "ct-gan",
            "num_steps": 100_000,
            "width": 128,
            "ema_half_life_images": 0,
            "sampling_bn": "batch",
            "checkpoint_steps": 1000,
            "sample_steps": 1000,
        },
        "evaluate": {"extractor": "inception", "num_samples": 50_000},
    },
}
SLOWER = re.compile(r"(?<![a-z])(stl[-_]?10|celeb[-_]?a)(?![a-z])")  # sets that the paper searches with a lower rate
PresetName = Literal["quick", "default", "paper"]


def preset_values(preset: str, source: str = "") -> dict[str, dict[str, Any]]:
    """What `preset` changes, section by section.

    The paper's search rate depends on the data set (§4.1), which `source`, a path or a name, tells by a name in it.
    """
    values = {section: dict(changes) for section, changes in PRESETS[preset].items()}
    if preset == "paper" and SLOWER.search(source.lower()):
        values["search"].update(weight_lr=0.03, latent_lr=0.03)
    return values


def resolve_gan(gan: GanSettings) -> GanSettings:
    """Fill every unset setting with the objective's value; refuse one that the objective does not have."""
    table = OBJECTIVES[gan.objective]
    owned = {name for values in OBJECTIVES.values() for name in values}
    for name in sorted(owned):
        if getattr(gan, name) is not None and name not in table:
            option = name.replace("_", "-")
            holders = ", ".join(o for o, values in OBJECTIVES.items() if name in values)
            raise UserError(f"--gan.{option}: objective {gan.objective} has no such setting; it belongs to {holders}")
    if not gan.supervised:
        given = next((name for name in _CLASS if getattr(gan, name) is not None), None)
        if given:
            raise UserError(f"--gan.{given.replace('_', '-')}: there is no class loss without --gan.supervised")
        table = {name: value for name, value in table.items() if name not in _CLASS}
    if gan.class_weight_critic == 0 and gan.class_weight_generator != 0:
        raise UserError(
            "--gan.class-weight-critic 0: nobody would teach the critic the classes that the generator is to follow; "
            "say --gan.class-weight-generator 0 as well"
        )
    filled = {name: value for name, value in table.items() if getattr(gan, name) is None}
    if gan.generator_batch_images is None:
        filled["generator_batch_images"] = 2 * gan.batch_images
    return gan.model_copy(update=filled)


def sources(settings: Settings, preset: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Every setting as (name, value, where the value comes from); `preset` holds what the preset changes of them.

    A field's stated source is one or two of `where` or `where: value`; the one that names the value in force is told.
    """
    return [(name, getattr(settings, name), _source(settings, name, preset)) for name in type(settings).model_fields]


def _source(settings: Settings, name: str, preset: Mapping[str, Any]) -> str:
    info, value = type(settings).model_fields[name], getattr(settings, name)
    if value is None and any(name in table for table in OBJECTIVES.values()):
        return "not in force"
    stated = str((info.json_schema_extra or {})["source"]).split("; ")  # type: ignore[index]
    for where, _, text in (part.partition(": ") for part in stated):
        if text and _named(text, value):
            return where
    if value == info.default:
        return stated[0]
    if isinstance(settings, GanSettings) and value == OBJECTIVES[settings.objective].get(name):
        return f"our choice for {settings.objective}"
    return "preset" if name in preset and value == preset[name] else "given"


def _named(text: str, value: Any) -> bool:
    """Whether the text of a stated source, such as `100,000`, `2e-4` or `none`, is this value."""
    values = value if isinstance(value, tuple) else (value,)
    if text in ("none", "no"):
        return not value or value == text
    if text in (str(value), ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)):
        return True
    number = text.split(", i.e. ")[0].replace(",", "")
    try:
        return not isinstance(value, bool) and value is not None and float(number) == float(value)
    except (TypeError, ValueError):
        return False
