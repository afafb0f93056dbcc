"""A search space whose first stages are given by an architecture, so that only later ones are searched. No torch.

The paper names progressive growing as future work (§5), and a prefix is its first step: each edge up to U_k has one
operation, and a search mixes operations only on the edges into later maps. Our choice.
"""

from __future__ import annotations

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
            stages as `space`, or the stages of `space` share α.
    """
    for name, given, ours in (
        ("num_normal", prefix.num_normal, space.num_normal),
        ("order", prefix.order, space.order),
        ("separable_order", prefix.separable_order, separable_order),
    ):
        if given != ours:
            option = f"--space.{name.replace('_', '-')}"
            raise UserError(f"{where}: its {name} is {given}, and the space's is {ours}; give {option} {given}")
    if prefix.num_stages >= space.num_stages:
        raise UserError(
            f"{where}: its num_stages is {prefix.num_stages}, and the space's is {space.num_stages}, so nothing is "
            f"left to search; give an architecture with fewer stages, or larger images (--data.image-size)"
        )
    if space.share == "stages":
        raise UserError(f"{where}: --space.share stages has one decision for all stages; leave out one of the two")
    return replace(space, prefix=prefix.edges)
