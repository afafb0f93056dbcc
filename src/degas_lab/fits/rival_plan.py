"""The plan of the searches that differentiable search is compared with. Knows no torch."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import DISTINCT

Method = Literal["random", "evolution"]
METHODS: tuple[Method, ...] = get_args(Method)


class Plan(Settings):
    """The searches and the number of fits of each; a cap on the parameters; the evolution's two sizes.

    Budgets here are a hundredth of Real et al.'s, and every child is changed: with their quarter of the population in a
    tournament, selection does not keep up with mutation (on a toy objective of 9 independent decisions, 100 fits, a
    population of 10: 2.6 decisions wrong with tournaments of 3, 1.7 with 10).
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1), DISTINCT] = setting(METHODS, "which to run")
    num_fits: Positive = setting(50, "fits of each method and seed")
    num_epochs: Positive = setting(5, "epochs of each standalone fit")
    seeds: Positive = setting(1, "searches of each method")
    seed: int = setting(0, "the first seed: of proposals, weights, latents and batches")
    max_params: Positive | None = setting(
        None, "consider only architectures of at most so many parameters; default: no cap"
    )
    population: Positive = setting(
        10, "members alive at a time; the oldest dies", source="our choice; Real et al.: 100"
    )
    tournament: Positive = setting(
        10, "members drawn, of which the best gets a child", source="our choice; Real et al.: 25"
    )
