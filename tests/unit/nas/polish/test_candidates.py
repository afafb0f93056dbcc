"""Which neighbours a polish may fit, in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from degas.errors import UserError
from degas.nas.checks import check_search
from degas.nas.decide.capped import Budget
from degas.nas.decide.rule import make_rule
from degas.nas.polish.candidates import candidates
from degas.nets.cost import architecture_cost
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.neighbours import neighbours
from degas.space.pruning import prune_random_alpha, random_alpha

Make = Callable[..., Any]
SPACE = SearchSpace(2)


@pytest.mark.parametrize("prune", ["paper", "alone"])
def test_all_neighbours_stand_in_the_order_of_what_the_pruning_gave_up(prune: str) -> None:
    """Without a cap the choice has the largest value, so the nearest runner-up of all decisions is the first."""
    rule = make_rule(SearchSettings(prune=prune, zero_rule="ignored"), SPACE)
    values = random_alpha(SPACE, 3)
    edges = rule.keep(values)
    found = candidates(edges, values, rule)
    assert {one.neighbour.edges for one in found} == {one.edges for one in neighbours(edges, SPACE)}
    deficits = [one.deficit for one in found]
    assert deficits == sorted(deficits)
    assert deficits[0] >= 0
    closest = min(rule.report(values)["decisions"], key=lambda one: one["margin"])
    first = found[0]
    assert (first.neighbour.decision, first.before) == (closest["name"], closest["choice"])
    assert (first.neighbour.option, first.deficit) == (closest["runner_up"], pytest.approx(closest["margin"]))


def test_a_cap_on_size_holds_for_every_neighbour() -> None:
    sizes = Architecture(2, 1, 4, 4, 8, 3, prune_random_alpha(SPACE, 0))
    values = random_alpha(SPACE, 1)
    costs = {one: architecture_cost(replace(sizes, edges=one.edges)) for one in neighbours(sizes.edges, SPACE)}
    cap = sorted(cost.num_parameters for cost in costs.values())[len(costs) // 2]
    rule = make_rule(SearchSettings(), SPACE, Budget.of(SPACE, sizes, cap, None))
    found = {one.neighbour for one in candidates(sizes.edges, values, rule)}
    assert found == {one for one, cost in costs.items() if cost.num_parameters <= cap}
    assert 0 < len(found) < len(costs)


def test_given_edges_are_no_decision() -> None:
    prefix = SearchSpace(1).draw(0)
    space = SearchSpace(2, prefix=prefix)
    rule = make_rule(SearchSettings(), space)
    values = random_alpha(space, 0)
    found = candidates(rule.keep(values), values, rule)
    assert all(one.neighbour.edges[: len(prefix)] == prefix for one in found)
    assert {one.neighbour.decision[:2] for one in found} == {"N2", "U2"}


@pytest.mark.parametrize(
    ("changes", "space", "message"),
    [
        ({"polish": 5}, {}, r"--search\.polish 5 are too few fits: .* give 6 or more, or 0"),
        ({"polish": 6, "signal": "adversarial"}, {}, r"not the loss of --search\.signal adversarial; leave out one"),
        ({"polish": 6, "prune": "darts"}, {}, r"--search\.prune darts makes none; leave out one of them"),
        ({"polish": 6, "prune": "paper"}, {"share": "stages"}, "with --space.share stages all stages have one"),
    ],
)
def test_one_clear_line(changes: dict[str, Any], space: dict[str, Any], message: str, make_settings: Make) -> None:
    import degas_lab.trainings.adversarial  # noqa: F401 - registers the signal

    with pytest.raises(UserError, match=message) as caught:
        check_search(make_settings(**changes), SpaceSettings(**space), image_size=8, channels=3)
    assert "\n" not in str(caught.value)
    check_search(make_settings(**changes | {"polish": 0}), SpaceSettings(**space), image_size=8, channels=3)
