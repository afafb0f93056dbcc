"""The plan of the searches that are compared with differentiable search. No torch."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import DISTINCT

Method = Literal["random", "evolution"]
METHODS: tuple[Method, ...] = get_args(Method)


class Plan(Settings):
    """The searches, their number of fits, a cap on the parameters, and the two sizes of the evolution.

    Budgets here are a hundredth of Real et al.'s, and every child is mutated: with their tournaments of a quarter of
    the population, selection is too weak for the mutation (on a toy objective of 9 independent decisions, 100 fits, a
    population of 10: 2.6 decisions wrong with tournaments of 3, 1.7 with 10).
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1), DISTINCT] = setting(METHODS, "searches to run")
    num_fits: Positive = setting(50, "fits of each method and seed")
    num_epochs: Positive = setting(5, "epochs of each standalone fit")
    seeds: Positive = setting(1, "searches of each method")
    seed: int = setting(0, "the first seed: of proposals, weights, latents and batches")
    max_params: Positive | None = setting(
        None, "consider only architectures with at most this many parameters; default: no cap"
    )
    population: Positive = setting(
        10, "members of the population; the oldest is removed", source="our choice; Real et al.: 100"
    )
    tournament: Positive = setting(
        10, "members drawn; the best of them gets a child", source="our choice; Real et al.: 25"
    )
