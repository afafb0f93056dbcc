"""What a search depends on besides seed and folder, and its place in a chain of searches."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet, stage_head
from degas.errors import UserError
from degas.nas.searched_space import load_prefix, prefix_config
from degas.runtime.setup import Setup
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture


@dataclass(frozen=True)
class Place:
    """The place of a search in a grown one.

    Attributes:
        image_size: of its images, in pixels.
        later: image sizes of the searches after it.
        earlier: the folder of the search before it, whose state it takes over; None for the first one.
        heads: maps that feed images of the searches before it.
    """

    image_size: int
    later: tuple[int, ...] = ()
    earlier: Path | None = None
    heads: tuple[str, ...] = ()

    def earlier_state(self, seed: int) -> tuple[Path, dict[str, Any]]:
        """The folder of the search before with this seed, and its signal's state at its end."""
        from degas.runtime.checkpoint import load_newest

        assert self.earlier is not None
        of_seed = self.earlier / f"seed-{seed}"
        folder = of_seed if of_seed.is_dir() else self.earlier
        found = load_newest(folder / "checkpoints", lambda line: print(line, file=sys.stderr))
        if found is None:
            raise UserError(f"{folder}: holds no checkpoint to grow from; remove the folder {folder} and --resume")
        return folder, found[1]["signal"]


@dataclass(frozen=True)
class SearchJob:
    """Everything that a search depends on, except seed and folder. `place`: in a grown search."""

    images: ImageSet
    space: SpaceSettings
    search: SearchSettings
    setup: Setup
    place: Place | None = None

    @cached_property
    def prefix(self) -> Architecture | None:
        """The architecture of `--search.prefix`, read once, so that all seeds have the same."""
        return load_prefix(self.search)

    def config(self, seed: int) -> dict[str, Any]:
        """Return the contents of config.json."""
        _, base_size = self.space.resolve(self.images.image_size)
        return {
            **stage_head(self.images, seed, self.setup.preset),
            "space": {**self.space.model_dump(mode="json"), "base_size": base_size},
            "search": self.search.model_dump(mode="json"),
            **prefix_config(self.prefix),
        }
