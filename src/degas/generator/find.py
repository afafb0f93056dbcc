"""The generator that a user names: its folder, one of its files, or the run folder around it. No torch."""

from __future__ import annotations

from pathlib import Path

from degas.runtime.paths import expanded

FILES = ("model.safetensors", "config.json")


def generator_folder(path: str | Path) -> Path:
    """The generator folder that `path` means: the path itself, the folder of one of its files, or a run folder's."""
    path = expanded(path)
    if path.is_file() and path.name in FILES:
        return path.parent
    candidates = [path, path / "train" / "generator", path / "generator"]
    return next(
        (
            candidate
            for candidate in candidates
            if (candidate / "config.json").is_file() and (candidate / "model.safetensors").exists()
        ),
        path,
    )
