"""Presets: the settings that each of them changes. Knows no torch and no stage.

An objective's own values are in its class (`degas.gan.objectives`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from degas.runtime.json_files import number

# Each preset lists its changes to the defaults; `default` changes nothing.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # `quick` is sized for the demo: digits, under five minutes on two cores. Its space and start are those that short
    # adversarial trainings prefer (docs/evidence/contest.md): plain convolutions after nearest up-sampling.
    "quick": {
        "space": {
            "order": "up-normal",
            "num_normal": 2,
            "normal_operations": ("conv_1x1", "conv_3x3", "skip"),
            "up_operations": ("nearest_conv_1x1", "nearest_conv_3x3"),
        },
        "search": {"num_epochs": 8},
        "gan": {
            "num_steps": 2500,
            "frame_start": "resnet",
            "width": 32,
            "generator_batch_images": 64,
            "sample_steps": 250,
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
PresetName = Literal["quick", "default", "paper", "paper-literal"]


def preset_values(preset: str, source: str = "", begun: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return the values that `preset` changes, section by section.

    The paper's search rate depends on the data set (§4.1), recognised by its name in `source`, a path or a name. A
    search that has begun with the preset keeps its optimiser: a moved copy of the images may have another name, and
    `paper` was the literal reading up to degas 0.1. Likewise `quick` had the default's space and start up to 0.2.
    `begun` is its config.json.
    """
    values = {section: dict(changes) for section, changes in PRESETS[preset].items()}
    if preset == "quick" and _is_older_quick(begun or {}):
        del values["space"], values["gan"]["frame_start"]
    if not preset.startswith("paper"):
        return values
    search = values["search"]
    if SLOWER.search(source.lower()):
        search |= {name: round(search[name] * SLOWER_SHARE, 6) for name in ("weight_lr", "latent_lr")}
    if begun and begun.get("preset") == preset and isinstance(begun.get("search"), Mapping):
        recorded = begun["search"]
        search |= {name: recorded[name] for name in OPTIMIZER if number(recorded.get(name))}
    return values


def _is_older_quick(begun: Mapping[str, Any]) -> bool:
    """Return whether a search began with `quick` as it was up to degas 0.2, in the default's space."""
    space = begun.get("space")
    older = {"order": "normal-up", "num_normal": 1}
    return begun.get("preset") == "quick" and isinstance(space, Mapping) and older.items() <= space.items()
