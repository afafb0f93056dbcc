"""A section of settings made complete: defaults, the preset's changes, what is given. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from degas.errors import UserError, nearest
from degas.runtime.json_files import read_config
from degas.runtime.paths import expanded
from degas.settings.base import Settings
from degas.settings.presets import PRESETS, preset_values
from degas.settings.rejections import complaint

Section = Mapping[str, Any] | Settings | None
SettingsType = TypeVar("SettingsType", bound=Settings)


def settings_for(
    section: str,
    model: type[SettingsType],
    given: Section,
    preset: str,
    source: str = "",
    begun: Mapping[str, Any] | None = None,
) -> SettingsType:
    """A section's settings: defaults, then the preset's changes (`presets.preset_values`), then what is given."""
    if isinstance(given, Settings) and type(given).__name__ == model.__name__:  # of the same section, whose settings
        return cast(SettingsType, given)  # registration may have added to since
    if not isinstance(given, Mapping | None):
        raise UserError(f"{section}: settings are a {model.__name__} or a dictionary, not {type(given).__name__}")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise UserError(f"preset: unknown preset {preset!r}{nearest(str(preset), PRESETS)}")
    names = second_names(model)
    for name, field in names.items():
        if given and name in given and field in given:
            raise UserError(f"{section}: {name} and {field} are one setting; give one of them")
    given = {names.get(name, name): value for name, value in (given or {}).items()}
    values = {**preset_values(preset, source, begun).get(section, {}), **given}
    for key in values:
        if key not in model.model_fields:
            raise UserError(f"{section}: unknown setting {key!r}{nearest(key, model.model_fields)}")
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (section, *first["loc"]))
        raise UserError(f"{where}: {complaint(first)}") from None


def begun_run(out: str | Path | None) -> dict[str, dict[str, Any]]:
    """config.json of `search` and of `train` in the run folder `out`; without those that cannot be read.

    Whoever opens the folder says why.
    """
    found: dict[str, dict[str, Any]] = {}
    if out is None:
        return found
    for stage in ("search", "train"):
        try:
            found[stage] = read_config(expanded(out) / stage / "config.json")
        except UserError:
            continue
    return found


def second_names(model: type[Settings]) -> dict[str, str]:
    """Second name of a setting → its field, which files keep."""
    aliases = {name: field.validation_alias for name, field in model.model_fields.items()}
    return {alias: name for name, alias in aliases.items() if isinstance(alias, str)}
