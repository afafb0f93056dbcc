"""The plan of the comparison of a grown search with the search at once. No torch."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import DISTINCT

Row = Literal["at-once", "grown", "prefix", "repeated", "moved"]
ROWS: tuple[Row, ...] = get_args(Row)
AT_ONCE: Row = "at-once"


class Plan(Settings):
    """The rows, and what each seed makes of them.

    `at-once` is the plain search, `grown` one with --search.grow, `prefix` its chain with new weights in every stage.
    `repeated` and `moved` search at half the size: one repeats the last stage's decisions in one more stage, the other
    takes a base size twice as large, as `degas train` does.
    """

    rows: Annotated[tuple[Row, ...], Field(min_length=1), DISTINCT] = setting(
        ROWS, "ways to an architecture; the search at once is always made"
    )
    seeds: Positive = setting(3, "architectures of each row")
    seed: int = setting(0, "the first seed: of searches, and of the fits of what they find")
    fit_epochs: Positive = setting(5, "epochs of the standalone fit of each architecture")
