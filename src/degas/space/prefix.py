"""A search space whose first stages are given by an architecture, so that only later ones are searched. No torch.

The paper names progressive growing as future work (§5), and a prefix is its first step: each edge up to U_k has one
operation, and a search mixes operations only on the edges into later maps. Our choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from degas.errors import UserError
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def with_prefix(
    space: SearchSpace, prefix: Architecture, separable_order: Literal["preact", "darts"], where: str
) -> SearchSpace:
    """Return `space` with the maps up to U_k given, k being the number of stages of `prefix`.

    Its sizes (width, base size, noise, channels) do not matter, and its operations need not be candidates of `space`.

    Args:
        separable_order: that of the architectures to be found.
        where: the option and file, for messages.

    Raises:
        UserError: `prefix` has another order, number of normal maps or order of separable convolutions, or as many
            stages as `space`, or the stages of `space` share α; one line names all of these.
    """
    if found := [*_other_settings(space, prefix, separable_order), *_unsearchable(space, prefix)]:
        raise UserError(f"{where}: {'; also, '.join(found)}")
    return replace(space, prefix=prefix.edges)


def _other_settings(space: SearchSpace, prefix: Architecture, separable_order: str) -> Iterator[str]:
    """One complaint of all settings that differ, with the options that mend them."""
    compared = (
        ("num_normal", prefix.num_normal, space.num_normal),
        ("order", prefix.order, space.order),
        ("separable_order", prefix.separable_order, separable_order),
    )
    other = [(name, given, ours) for name, given, ours in compared if given != ours]
    if other:
        facts = ", ".join(f"its {name} is {given}, and the space's is {ours}" for name, given, ours in other)
        options = " ".join(f"--space.{name.replace('_', '-')} {given}" for name, given, _ in other)
        yield f"{facts}; give {options}"


def _unsearchable(space: SearchSpace, prefix: Architecture) -> Iterator[str]:
    """Complaints of a space in which nothing can be searched after the prefix."""
    if prefix.num_stages >= space.num_stages:
        yield (
            f"its num_stages is {prefix.num_stages}, and the space's is {space.num_stages}, so nothing is "
            f"left to search; give an architecture with fewer stages, or larger images (--data.image-size)"
        )
    if space.share == "stages":
        yield "--space.share stages has one decision for all stages; leave out one of the two"
