"""A plan of a measurement stands once: the options of its command are the plan, and the measurement takes them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import degas_lab
from degas.cli.commands import find_command
from degas.settings.base import Settings
from degas_lab.commands import (
    augmentation,
    baselines,
    contest,
    critic_contest,
    critic_search,
    grown_search,
    hand_made,
    local_optimum,
    objectives,
    rank_correlation,
    search_variants,
)
from degas_lab.commands.experiment import EXPERIMENTS
from degas_lab.contest.plan import Plan as ContestPlan
from degas_lab.critics.contest_plan import Plan as CriticContestPlan
from degas_lab.critics.search_plan import Plan as CriticSearchPlan
from degas_lab.fits.grown_plan import Plan as GrownPlan
from degas_lab.fits.neighbour_plan import Plan as NeighbourPlan
from degas_lab.fits.rival_plan import Plan as RivalPlan
from degas_lab.fits.variant_plan import Plan as VariantPlan
from degas_lab.trainings.augmentation_plan import Plan as AugmentationPlan
from degas_lab.trainings.hand_made_plan import Plan as HandMadePlan
from degas_lab.trainings.objectives_plan import Plan as ObjectivesPlan
from degas_lab.trainings.rank_plan import Plan as RankPlan

PLANS = {
    AugmentationPlan: augmentation.Options,
    ContestPlan: contest.Options,
    CriticContestPlan: critic_contest.Options,
    CriticSearchPlan: critic_search.Options,
    GrownPlan: grown_search.Options,
    HandMadePlan: hand_made.Options,
    NeighbourPlan: local_optimum.Options,
    ObjectivesPlan: objectives.Options,
    RankPlan: rank_correlation.Options,
    RivalPlan: baselines.Options,
    VariantPlan: search_variants.Options,
}
RECORDED = Path(__file__).parents[3] / "docs" / "results" / "rank-correlation" / "trials" / "settings.json"


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    """Every class of the laboratory that is called `Plan`, with its file."""
    for path in Path(degas_lab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name == "Plan":
                yield path, node


def test_every_plan_is_settings_and_known_here() -> None:
    found = {path.stem: [ast.unparse(base) for base in node.bases] for path, node in classes()}
    assert found == {plan.__module__.rpartition(".")[2]: ["Settings"] for plan in PLANS}


@pytest.mark.parametrize(("plan", "options"), PLANS.items(), ids=[plan.__module__ for plan in PLANS])
def test_options_are_the_plan_and_say_nothing_of_it_again(plan: type[Settings], options: type[Settings]) -> None:
    assert issubclass(options, plan)
    assert not set(options.__annotations__) & set(plan.model_fields)
    assert {name: options.model_fields[name].default for name in plan.model_fields} == plan().__dict__


def test_the_help_of_every_experiment_needs_no_torch() -> None:
    modules = [find_command(["experiment", name])[0].__name__ for name in EXPERIMENTS]
    names = [*modules, *(plan.__module__ for plan in PLANS)]
    load = f"import importlib, sys; [importlib.import_module(name) for name in {names}]"
    code = f"{load}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_marks_are_in_order_and_each_once() -> None:
    kinds = [plan for plan in PLANS if "marks" in plan.model_fields]
    assert len(kinds) == 4
    for plan in kinds:
        assert plan(marks=(1.0, 0.5, 1.0)).marks == (0.5, 1.0)  # type: ignore[attr-defined, call-arg]
        with pytest.raises(ValueError, match="less than or equal to 1"):
            plan(marks=(0.5, 2.0))  # type: ignore[call-arg]


def test_defaults_are_those_that_finished_trials_were_made_with() -> None:
    recorded = json.loads(RECORDED.read_bytes())["plan"]
    plan = RankPlan(**{name: value for name, value in recorded.items() if name != "marks"}, marks=recorded["marks"])
    assert plan.model_dump(mode="json", exclude={"seeds"}) == recorded
