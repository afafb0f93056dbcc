"""The graph of a search: that of the space's settings, with the maps of `--search.prefix` given."""

from __future__ import annotations

from typing import Any

from degas.errors import UserError
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture
from degas.space.graph import SearchSpace
from degas.space.prefix import with_prefix

OPTION = "--search.prefix"
ORIGIN = ("method", "seed", "seeds", "data")  # of the prefix's provenance, for that of the found architecture


def searched_space(
    settings: SearchSettings, space: SpaceSettings, image_size: int, prefix: Architecture | None = None
) -> tuple[SearchSpace, int]:
    """The graph for images of `image_size` pixels and its base size; raises `UserError` if none fits.

    `prefix`: the architecture of `settings.prefix`, if it has been read.
    """
    graph, base_size = space.resolve(image_size)
    prefix = prefix or load_prefix(settings)
    if prefix is not None:
        graph = with_prefix(graph, prefix, space.separable_order, f"{OPTION} {settings.prefix}")
    return graph, base_size


def load_prefix(settings: SearchSettings) -> Architecture | None:
    """The architecture that the search begins with, None without one; raises `UserError` if it cannot be read."""
    try:
        return None if settings.prefix is None else load_architecture(settings.prefix)
    except UserError as error:
        raise UserError(f"{OPTION}: {error}") from None


def prefix_config(prefix: Architecture | None) -> dict[str, Any]:
    """The content of the prefix for config.json, by which a resumed search recognises it: its nodes."""
    return {} if prefix is None else {"prefix": prefix.to_dict()["nodes"]}


def prefix_provenance(prefix: Architecture | None) -> dict[str, Any]:
    """The prefix in the provenance of the found architecture, without its path."""
    if prefix is None:
        return {}
    origin = {name: prefix.provenance[name] for name in ORIGIN if name in prefix.provenance}
    return {"prefix": {"num_stages": prefix.num_stages, **origin}}
