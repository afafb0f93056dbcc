"""What the command line says of a search's decisions."""

from __future__ import annotations

from degas.architecture import SearchSpace
from degas.cli.words import decisions_in_words
from degas.config import SearchSettings
from degas.nas.capped import Budget
from degas.nas.outputs import pruning_report
from degas.nas.pruning import random_alpha
from degas.nets.cost import Cost

SPACE = SearchSpace(1)


def test_a_line_a_decision_and_what_the_margins_are_of() -> None:
    lines = decisions_in_words(pruning_report(random_alpha(SPACE, 0), SPACE, SearchSettings())).splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["N1", "direct"], ["U1", "direct"], ["U1", "residual"]]
    assert lines[3].startswith("  margins are of α; another way to compare α across edges would change ")


def test_a_cap_and_what_it_changed() -> None:
    costs = {s.name: {n: Cost(len(n), 2 * len(n)) for n in SPACE.operations(s)} for s in SPACE.slots}
    alpha = random_alpha(SPACE, 0)
    free = pruning_report(alpha, SPACE, SearchSettings(), Budget(Cost(0, 0), costs, max_params=10**6))
    assert "the cap changed nothing" in decisions_in_words(free)
    size = free["cap"]["num_parameters"]
    capped = pruning_report(alpha, SPACE, SearchSettings(), Budget(Cost(0, 0), costs, max_params=size - 1))
    last = decisions_in_words(capped).splitlines()[-1]
    assert f"({size:,} and {2 * size:,} without the cap); the cap changed " in last
    assert all(f"{name} → {choice}" in last for name, choice in capped["cap"]["changed"].items())
    assert capped["cap"]["num_parameters"] < size


def test_losses_are_called_losses() -> None:
    report = pruning_report(random_alpha(SPACE, 0), SPACE, SearchSettings(prune="perturbation"))
    assert "darts" not in report
    assert not any(decision["differs_under"] for decision in report["decisions"])
    for by_alpha, words in (({}, "nothing"), ({"N1 direct": "skip"}, "N1 direct (skip)")):
        said = decisions_in_words({**report, "perturbation": {"by_alpha": by_alpha}}).splitlines()[-1]
        assert said == f"  margins are of the loss without the operation; α alone would change {words}"
