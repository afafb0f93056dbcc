"""A measurement called from Python and from the command line are the same one."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from degas.gan.objectives import OBJECTIVES
from degas_lab.commands import baselines as baselines_cli
from degas_lab.commands import objectives as objectives_cli
from degas_lab.commands import rank_correlation as rank_cli
from degas_lab.fits import rival_searches as baselines
from degas_lab.trainings import objectives, rank_correlation

ALL = {"objectives": tuple(OBJECTIVES)}  # an option left empty → what it stands for
OTHERWISE = {"num_seeds": "seeds", "score": "tune_by"}  # a plan's name → the option's


@pytest.mark.parametrize(
    ("plan", "options"),
    [
        (baselines.Plan, baselines_cli.Options),
        (objectives.Plan, objectives_cli.Options),
        (rank_correlation.Plan, rank_cli.Options),
    ],
    ids=["baselines", "objectives", "rank-correlation"],
)
def test_options_have_the_defaults_of_the_plan(plan: Any, options: Any) -> None:
    for field in fields(plan):
        name = field.name if field.name in options.model_fields else OTHERWISE[field.name]
        assert field.default is not MISSING
        default = options.model_fields[name].default
        assert ALL.get(name, default) == field.default if default == () else default == field.default, name
