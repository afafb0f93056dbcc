"""What a search refuses before it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import degas
from degas.errors import UserError
from degas.nas.checks import check_search, search_budget
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": "second"}, "the weights use Adam; add --search.weight-optimizer sgd"),
        ({"order": "second", "weight_optimizer": "sgd", "schedule": "joint"}, "use --search.schedule alternate"),
        ({"order": "second", "weight_optimizer": "sgd", "precision": "bfloat16"}, "use --search.precision float32"),
        (
            {"schedule": "joint", "alpha_batch": "held_out"},
            "--search.schedule joint has none; use --search.schedule alt",
        ),
        ({"schedule": "joint", "alpha_batch": "other"}, "--search.alpha-batch other needs separate steps on α"),
        ({"paths": "gumbel", "order": "second", "weight_optimizer": "sgd"}, "leave out --search.order second"),
        ({"paths": "gumbel", "relaxation": "gumbel"}, "--search.paths gumbel samples by itself"),
        (
            {"paths": "two-path", "temperature": 0.5},
            r"two-path draws from softmax\(α\); leave out --search.temperature",
        ),
        ({"paths": "reinforce", "temperature_end": 0.5}, r"reinforce draws from softmax\(α\)"),
        ({"paths": "reinforce", "schedule": "joint"}, "use --search.schedule alternate"),
        ({"paths": "gumbel", "prune": "perturbation"}, "gumbel never mixes them; use --search.prune alone or paper"),
        ({"paths": "two-path", "prune": "alone_scaled"}, "two-path never mixes them"),
        ({"leave": "shrink", "paths": "gumbel"}, "--search.leave shrink removes operations from a mix"),
        ({"leave": "anneal", "order": "second", "weight_optimizer": "sgd"}, "order second would unroll"),
        ({"leave": "layers", "train_alpha": False}, "goes by α, which --search.no-train-alpha does not train"),
        ({"max_params": 10_000, "prune": "darts"}, "cannot keep within a cap on size"),
        ({"max_macs": 10**9, "prune": "darts"}, "cannot keep within a cap on size"),
        ({"prune": "perturbation", "compare": "centred"}, "use --search.prune paper to prune by α"),
        (
            {"prune": "perturb"},
            "--search.prune: unknown pruning rule 'perturb'; known are alone, alone_scaled, darts, paper",
        ),
        ({"signal": "gol"}, "--search.signal: unknown search signal 'gol'; known are"),
        ({"max_params": 10}, "no architecture has at most 10 parameters; the smallest has "),
        ({"max_macs": 10}, "no architecture takes at most 10 multiply-adds; the smallest takes "),
    ],
)
def test_one_clear_line(
    changes: dict[str, Any], message: str, make_images: Make, make_settings: Make, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_search(make_settings(**changes), SpaceSettings(), image_size=8, channels=3)
    assert "\n" not in str(caught.value)
    settings = {"width": 4, "noise_size": 8, "batch_images": 8, "schedule": "alternate", "prune": "paper", **changes}
    with pytest.raises(UserError, match=message):  # before a folder is made
        degas.search(make_images(), tmp_path / "run", search=settings, progress=False)
    assert not (tmp_path / "run").exists()


def test_one_image_at_a_time_needs_more_than_one_pixel(make_settings: Make) -> None:
    settings, message = make_settings(batch_images=1), "--search.batch-images 1: one image of 1×1 pixels has no batch"
    with pytest.raises(UserError, match=message):
        check_search(settings, SpaceSettings(base_size=1), image_size=8, channels=3)
    check_search(settings, SpaceSettings(base_size=2), image_size=8, channels=3)


def test_layers_need_a_decision_for_each_stage(make_settings: Make) -> None:
    space, settings = SpaceSettings(share="stages"), make_settings(leave="layers")
    with pytest.raises(UserError, match=r"one decision; use --search\.leave shrink"):
        check_search(settings, space, image_size=8, channels=3)
    check_search(make_settings(leave="shrink"), space, image_size=8, channels=3)


def test_the_defaults_and_what_goes_together_pass(make_settings: Make) -> None:
    for changes in (
        {},
        {"order": "second", "weight_optimizer": "sgd"},
        {"schedule": "joint"},
        {"schedule": "joint", "alpha_batch": "same"},
        {"prune": "perturbation", "relaxation": "gumbel", "max_params": 10_000},
        {"max_params": 10_000, "max_macs": 10**9, "compare": "centred"},
        {"paths": "gumbel", "schedule": "joint", "temperature_end": 0.2, "prune": "alone", "max_params": 10_000},
        {"paths": "reinforce", "alpha_batch": "other", "cost_weight": 1.0},
        {"paths": "two-path", "prune": "darts"},
        {"leave": "anneal", "prune": "perturbation", "max_params": 10_000},
        {"leave": "layers", "schedule": "joint", "prune": "alone_scaled", "relaxation": "gumbel"},
    ):
        check_search(make_settings(**changes), SpaceSettings(), image_size=8, channels=3)


def test_costs_are_counted_only_when_asked_for(make_settings: Make) -> None:
    space = SpaceSettings()
    graph, base = space.resolve(8)
    sizes = {"base_size": base, "channels": 3}
    assert search_budget(make_settings(), space, graph, **sizes) is None
    for changes in ({"cost_weight": 1.0}, {"max_params": 9}, {"max_macs": 9}):
        budget = search_budget(make_settings(**changes), space, graph, **sizes)
        assert budget is not None
        assert budget.is_capped is ("cost_weight" not in changes)
