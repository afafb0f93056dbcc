"""The generator that a user names: its folder, a file of it, or the run folder around it. Knows no torch."""

from __future__ import annotations

from pathlib import Path

from degas.runtime.paths import expanded

FILES = ("model.safetensors", "config.json")


def generator_folder(path: str | Path) -> Path:
    """The generator folder that `path` means: itself, that of one of its files, or the one inside a run folder."""
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
