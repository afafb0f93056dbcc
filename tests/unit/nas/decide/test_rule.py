"""The door for a pruning rule: what one class suffices for, and that nobody else asks for rules by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import degas
from degas.nas.decide.rule import RULES, Rule, Searched, Values, make_rule, register_rule
from degas.nas.results.agreement import mean_alpha
from degas.settings.sections import SearchSettings
from degas.space.graph import SearchSpace
from degas.space.pruning import prune, random_alpha

Make = Callable[..., Any]
SOURCE = Path(degas.__file__).parent
SPACE = SearchSpace(2)


class ByKernel(Rule):
    """Values of its own: what each operation is of the mix, its weight times its kernel's norm."""

    def values(self, searched: Searched) -> Values:
        mixing = searched.supernet.mixing_by_name()
        return Values(
            {slot: {name: its["scaled"] or 0.0 for name, its in of.items()} for slot, of in mixing.items()},
            {"kernels": True},
        )


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_rule("by-kernel")(ByKernel)
    yield
    del RULES._things["by-kernel"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_class_is_enough_to_prune_to_tell_and_to_agree(tmp_path: Path, make_images: Make) -> None:
    small = {"width": 4, "noise_size": 6, "num_epochs": 1, "batch_images": 8, "plateau_share": 0.0}
    given: dict[str, Any] = {"search": {**small, "prune": "by-kernel"}, "device": "cpu", "progress": False}
    given["preset"] = "paper-space"
    found = degas.search(make_images(), tmp_path, seeds=2, **given)
    reports = [json.loads((tmp_path / f"search/seed-{seed}/pruning.json").read_text()) for seed in (0, 1)]
    for seed, report in enumerate(reports):
        assert (report["rule"], report["kernels"], "measured" in report) == ("by-kernel", True, False)
        one = degas.Architecture.load(tmp_path / f"search/seed-{seed}/architecture.json")
        assert one.edges == prune(report["values"], one.graph)
        alpha = json.loads((tmp_path / f"search/seed-{seed}/alpha.jsonl").read_text().splitlines()[-1])
        assert report["values"] != {name: alpha[name] for name in report["values"]}
    assert found.edges == prune(mean_alpha([report["values"] for report in reports]), found.graph)


def test_a_report_tells_every_decision_and_what_was_compared() -> None:
    alpha = random_alpha(SPACE, 3)
    for name in RULES:
        rule = make_rule(SearchSettings(prune=name), SPACE)
        report = rule.report(alpha)
        assert json.loads(json.dumps(report))["values"] == alpha == rule.read(report, {})
        assert len(report["decisions"]) == 6
        assert report.get("measured", "") == rule.measured


def test_the_rules_are_found_in_their_room() -> None:
    assert sorted(RULES) == ["alone", "alone_scaled", "by-kernel", "darts", "paper", "perturbation"]


def test_nobody_else_asks_which_rule_it_is() -> None:
    """Defaults, presets and help name rules; code that branches on one belongs to it."""
    asks = re.compile(r"""(==|!=|\bin\b)\s*[(\[{]?\s*"(alone|perturbation|darts)"|\bprune\b\s*(==|!=|in\b)""")
    for path in sorted(SOURCE.rglob("*.py")):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if asks.search(line)], path
