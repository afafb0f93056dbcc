"""The plan of the comparison of other ways to search with the default one. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from degas.settings.base import Positive, Settings, setting
from degas_lab.plan_fields import DISTINCT

Row = Literal[
    "default", "gumbel", "two-path", "reinforce", "untrained-paths", "adversarial", "anneal", "shrink", "layers"
]
DEFAULT: Row = "default"
CHANGES: dict[Row, dict[str, Any]] = {  # of each row, to the search's settings
    "default": {},
    "gumbel": {"paths": "gumbel"},
    "two-path": {"paths": "two-path"},
    "reinforce": {"paths": "reinforce", "schedule": "alternate"},
    "untrained-paths": {"paths": "gumbel", "train_alpha": False},  # the control of the three before
    "adversarial": {"signal": "adversarial"},
    "anneal": {"leave": "anneal"},
    "shrink": {"leave": "shrink"},
    "layers": {"leave": "layers"},
}


class Plan(Settings):
    """The rows, and what each seed makes of them."""

    rows: Annotated[tuple[Row, ...], Field(min_length=1), DISTINCT] = setting(
        get_args(Row), "ways to search; the default one is always made"
    )
    seeds: Positive = setting(3, "searches of each row")
    seed: int = setting(0, "the first seed: of searches, and of the fits of what they find")
    fit_epochs: Positive = setting(5, "epochs of the standalone fit of each found architecture")
