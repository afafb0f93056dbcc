"""The folder of a named generator: the user's own, that of a file, a run folder's, or a shipped one. No torch."""

from __future__ import annotations

from pathlib import Path

from degas.errors import UserError, nearest
from degas.generator.shipped import shipped_folder, shipped_generators
from degas.runtime.paths import expanded

FILES = ("model.safetensors", "config.json")


def generator_folder(path: str | Path) -> Path:
    """The generator folder that `path` means: the user's own if there is one, else the shipped one of that name.

    A path that leads nowhere is returned as it is, and loading it says what is missing; a bare word that is none gets
    the nearest of the shipped ones.
    """
    name, found = str(path), own_folder(path) or shipped_folder(str(path))
    if found is not None or "/" in name or expanded(path).exists():
        return found or expanded(path)
    names = shipped_generators()
    hint = nearest(name, names) if names else "; give the folder that `degas train` wrote"
    raise UserError(f"no generator folder, run folder or shipped generator {name!r}{hint}")


def own_folder(path: str | Path) -> Path | None:
    """The user's generator folder: `path` itself, the folder of one of its files, or a run folder's."""
    path = expanded(path)
    if path.is_file() and path.name in FILES:
        path = path.parent
    candidates = [path, path / "train" / "generator", path / "generator"]
    return next((candidate for candidate in candidates if _is_generator(candidate)), None)


def _is_generator(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "model.safetensors").exists()
