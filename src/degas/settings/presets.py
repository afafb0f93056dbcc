"""Presets: the settings that each of them changes. Knows no torch and no stage.

An objective's own values are in its class (`degas.gan.objectives`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from degas.runtime.json_files import number

# A space in which searches find what a GAN trains well: plain convolutions after nearest up-sampling
# (docs/evidence/contest.md, docs/evidence/photographs.md). The paper's space holds more, but what reconstructs best
# there, transposed convolutions and pooling, trains worse.
SMALL_SPACE: dict[str, Any] = {
    "order": "up-normal",
    "num_normal": 2,
    "normal_operations": ("conv_1x1", "conv_3x3", "skip"),
    "up_operations": ("nearest_conv_1x1", "nearest_conv_3x3"),
}

# Each preset lists its changes to the settings' own defaults, which are the paper's space and our search.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # `quick` is sized for the demo: digits, a few minutes on two cores.
    "quick": {
        "space": SMALL_SPACE,
        "search": {"num_epochs": 8},
        "gan": {
            "num_steps": 2500,
            "width": 32,
            "generator_batch_images": 64,
            "sample_steps": 250,
        },
        "evaluate": {"num_samples": 1797},
    },
    "default": {"space": SMALL_SPACE},
    "paper-space": {},
    "paper": {
        "space": {"order": "normal-up", "separable_order": "darts"},
        "search": {
            "width": 128,
            "num_epochs": 50,
            "schedule": "alternate",
            "weight_optimizer": "sgd",
            "weight_lr": 0.3,  # §4.1
            "weight_lr_min": 1e-3,
            "weight_momentum": 0.0,  # GLO's code; DARTS' 0.9 does not train (docs/evidence/paper-rate.md)
            "weight_decay": 3e-4,
            "latent_init": "random",
            "latent_optimizer": "sgd",
            "latent_lr": 3.0,  # GLO's code: ten times the weights' rate
            "alpha_lr": 3e-4,
            "alpha_weight_decay": 1e-3,
            "prune": "paper",
        },
        "gan": {
            "objective": "ct-gan",
            "deconv_start": "independent",  # the paper does not say
            "frame_start": "unit",
            "num_steps": 100_000,
            "width": 128,
            "ema_half_life_images": 0,
            "sampling_bn": "batch",
            "norm_parts": 2,  # CT-GAN's code computes on two devices, with batch norms apart
            "sample_steps": 1000,
        },
        "evaluate": {"extractor": "inception", "num_samples": 50_000, "untrained": False},  # hours more on a CPU
    },
}
LITERAL = {"weight_momentum": 0.9, "latent_lr": 0.3}  # DARTS' momentum, and one rate for weights and latents
PRESETS["paper-literal"] = {**PRESETS["paper"], "search": {**PRESETS["paper"]["search"], **LITERAL}}
SLOWER = re.compile(
    r"(?<![a-z])(stl[-_]?10|celeb[-_]?a)(?![a-z])"
)  # data sets for which the paper's search has a lower rate
SLOWER_SHARE = 0.1  # §4.1: 0.03 instead of 0.3
OPTIMIZER = ("weight_lr", "latent_lr", "weight_momentum")  # what a search that has begun keeps
PresetName = Literal["quick", "default", "paper-space", "paper", "paper-literal"]


def preset_values(preset: str, source: str = "", begun: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return the values that `preset` changes, section by section.

    The paper's search rate depends on the data set (§4.1), recognised by its name in `source`, a path or a name.
    `begun` holds what a run folder has begun with, as `begun_run` reads it; a stage that began with this preset keeps
    the values that it had then.
    """
    values = {section: dict(changes) for section, changes in PRESETS[preset].items()}
    search = values.get("search", {})
    if "weight_lr" in search and SLOWER.search(source.lower()):
        search |= {name: round(search[name] * SLOWER_SHARE, 6) for name in ("weight_lr", "latent_lr")}
    _keep(values, preset, begun or {})
    return values


def _keep(values: dict[str, dict[str, Any]], preset: str, begun: Mapping[str, Any]) -> None:
    """Take over what a run began with: presets change, and a moved copy of the images may have another name.

    Up to degas 0.2 `paper` was the literal reading, and `quick` and `default` had the paper's space; for some time
    `quick` began its trainings as `resnet`.
    """
    search, train = (_of_preset(begun.get(stage), preset) for stage in ("search", "train"))
    recorded, space, gan = _section(search, "search"), _section(search, "space"), _section(train, "gan")
    if "weight_lr" in values.get("search", {}):
        values["search"] |= {name: recorded[name] for name in OPTIMIZER if number(recorded.get(name))}
    if "space" in values:
        values["space"] |= {name: space[name] for name in values["space"] if name in space}
    if "frame_start" in gan:
        values.setdefault("gan", {})["frame_start"] = gan["frame_start"]


def _of_preset(config: Any, preset: str) -> Mapping[str, Any]:
    """A stage's config.json if it began with this preset, else {}."""
    return config if isinstance(config, Mapping) and config.get("preset") == preset else {}


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
