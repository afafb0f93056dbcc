"""What a user names, made definite: sections of settings, architecture files, generator folders. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from degas.complaints import complaint
from degas.errors import UserError, nearest
from degas.paths import expanded
from degas.settings.presets import PRESETS, preset_values
from degas.settings.sections import Settings
from degas.space.architecture import Architecture
from degas.space.shipped import shipped_file, shipped_names

Section = Mapping[str, Any] | Settings | None
SettingsType = TypeVar("SettingsType", bound=Settings)


def settings_for(
    section: str, model: type[SettingsType], given: Section, preset: str, source: str = ""
) -> SettingsType:
    """A section's settings: defaults, then the preset's changes, then what is given."""
    if isinstance(given, Settings) and type(given).__name__ == model.__name__:  # of the same section, whose settings
        return cast(SettingsType, given)  # registration may have added to since
    if not isinstance(given, Mapping | None):
        raise UserError(f"{section}: settings are a {model.__name__} or a dictionary, not {type(given).__name__}")
    if preset not in PRESETS:
        raise UserError(f"preset: unknown preset {preset!r}{nearest(preset, PRESETS)}")
    given = dict(given or {})
    values = {**preset_values(preset, source).get(section, {}), **given}
    for key in values:
        if key not in model.model_fields:
            raise UserError(f"{section}: unknown setting {key!r}{nearest(key, model.model_fields)}")
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (section, *first["loc"]))
        raise UserError(f"{where}: {complaint(first)}") from None


def architecture_file(path: str | Path) -> Path:
    """The architecture file that `path` means: itself, the one inside a run folder, or the shipped one of that name."""
    name, path = str(path), expanded(path)
    candidates = [path / "search" / "architecture.json", path / "architecture.json"] if path.is_dir() else [path]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None and path.is_dir():
        raise UserError(f"{path}: holds no architecture.json; give the file, or the run folder of a search")
    return found or shipped_file(name) or candidates[0]


def load_architecture(architecture: Architecture | str | Path, also: Iterable[str] = ()) -> Architecture:
    """The architecture that a user names; a bare word that is none gets the nearest of the shipped ones and `also`."""
    if isinstance(architecture, Architecture):
        return architecture
    name, path = str(architecture), architecture_file(architecture)
    if path.exists() or "/" in name or name.endswith(".json"):
        return Architecture.load(path)
    choices = [*also, *shipped_names()]
    hint = nearest(name, choices) if choices else "; give an architecture.json or a run folder"
    raise UserError(f"no architecture file, run folder or known name {name!r}{hint}")


def generator_folder(path: str | Path) -> Path:
    """The generator folder that `path` means: itself, or the one inside a run folder."""
    path = expanded(path)
    candidates = [path, path / "train" / "generator", path / "generator"]
    return next(
        (
            candidate
            for candidate in candidates
            if (candidate / "config.json").is_file() and (candidate / "model.safetensors").exists()
        ),
        path,
    )
