"""The architecture that a user names: a file, a run folder, or one shipped with the package. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from degas.errors import UserError, nearest
from degas.runtime.paths import expanded
from degas.space.architecture import Architecture
from degas.space.shipped import shipped_file, shipped_names


def architecture_file(path: str | Path) -> Path:
    """The architecture file that `path` means: the path itself, a run folder's file, or the shipped one by name."""
    name, path = str(path), expanded(path)
    candidates = [path / "search" / "architecture.json", path / "architecture.json"] if path.is_dir() else [path]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None and path.is_dir():
        raise UserError(f"{path}: holds no architecture.json; give the file, or the run folder of a search")
    return found or shipped_file(name) or candidates[0]


def load_architecture(architecture: Architecture | str | Path, also: Iterable[str] = ()) -> Architecture:
    """The architecture that a user names; for an unknown name, the error suggests a shipped one or one of `also`."""
    if isinstance(architecture, Architecture):
        return architecture
    name, path = str(architecture), architecture_file(architecture)
    if path.exists() or "/" in name or name.endswith(".json"):
        return Architecture.load(path)
    choices = [*also, *shipped_names()]
    hint = nearest(name, choices) if choices else "; give an architecture.json or a run folder"
    raise UserError(f"no architecture file, run folder or known name {name!r}{hint}")
