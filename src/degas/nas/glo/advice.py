"""What to change when a GLO fit does not learn: settings that work together, whatever the preset."""

from __future__ import annotations

from collections.abc import Mapping

from degas.settings.sections import SearchSettings

FASTER_LATENTS = 10.0  # GLO's code: the latents' rate is ten times the weights'
_OURS = ("weight_optimizer", "weight_lr", "weight_lr_min", "latent_optimizer", "latent_lr", "latent_init")


def advice(settings: SearchSettings) -> str:
    """A clause that names the settings to change, with their values.

    For SGD first GLO's own: no momentum, latents at ten times the rate (docs/evidence/paper-rate.md). Otherwise
    the defaults, rates included: those of an SGD preset would be far too high for Adam.
    """
    if settings.weight_optimizer == settings.latent_optimizer == "sgd":
        wanted = {"weight_momentum": 0.0, "latent_lr": FASTER_LATENTS * settings.weight_lr}
        if settings.weight_momentum > 0 or settings.latent_lr < wanted["latent_lr"]:
            return f"use {_options(wanted)}, as in GLO's code, or {_options(_defaults())}"
    if any(getattr(settings, name) != value for name, value in _defaults().items()):
        return f"use {_options(_defaults())}"
    return "lower --search.weight-lr"


def _defaults() -> dict[str, object]:
    return {name: SearchSettings.model_fields[name].default for name in _OURS}


def _options(values: Mapping[str, object]) -> str:
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in values.items()}
    return " ".join(f"--search.{name.replace('_', '-')} {value}" for name, value in shown.items())
