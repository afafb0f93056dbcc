from __future__ import annotations

from typing import Any

import pytest

from degas.nas.decide.settle import is_settled, open_decisions
from degas.space.graph import ZERO, SearchSpace
from degas.space.pruning import COMPARES, choices, decisions, prune, random_alpha

SPACE = SearchSpace(2)
Alpha = dict[str, dict[str, float]]


def moved(alpha: Alpha, edge: str, operation: str, by: float) -> Alpha:
    return {
        name: {op: v + by * (name == edge and op == operation) for op, v in values.items()}
        for name, values in alpha.items()
    }


def clear_alpha(residual: float = -1.0) -> Alpha:
    """Every decision wins by 1: the first operation of each direct edge, and no residual edge unless it is raised."""
    alpha = {slot.name: dict.fromkeys(SPACE.operations(slot), residual) for slot in SPACE.slots}
    for slot in SPACE.slots:
        if slot.direct:
            alpha[slot.name] = {name: float(k == 0) for k, name in enumerate(SPACE.operations(slot))}
    return alpha


def test_still_and_clear_is_settled_after_so_many_epochs_and_not_before() -> None:
    history = [clear_alpha()] * 4
    assert is_settled(history, SPACE, num_epochs=3)
    assert not is_settled(history[:3], SPACE, num_epochs=3)
    assert not is_settled([], SPACE, num_epochs=3)


def test_zero_epochs_is_never() -> None:
    assert not is_settled([clear_alpha()] * 50, SPACE, num_epochs=0)


def test_a_change_within_the_window_keeps_it_open_and_one_before_does_not() -> None:
    other = moved(clear_alpha(), "U0->N1", "skip", 5.0)
    before = [other, *[clear_alpha()] * 4]
    assert is_settled(before, SPACE, num_epochs=3)
    assert not is_settled(before[:4], SPACE, num_epochs=3)
    assert open_decisions(before[:4], SPACE, num_epochs=3, margin=0.0) == ("N1 direct",)


def test_back_and_forth_with_the_same_end_is_a_change() -> None:
    a, b = clear_alpha(), moved(clear_alpha(), "U1->N2", "skip", 5.0)
    assert open_decisions([a, b, a], SPACE, num_epochs=2, margin=0.0) == ("N2 direct",)


def test_a_close_decision_keeps_it_open() -> None:
    close = moved(clear_alpha(), "N1->U1", "deconv_6x6", 0.999)  # 0.001 below the winner
    assert is_settled([close] * 3, SPACE, num_epochs=2)  # still for good: no noise at all
    assert is_settled([close] * 3, SPACE, num_epochs=2, margin=0.0005)
    assert open_decisions([close] * 3, SPACE, num_epochs=2, margin=0.01) == ("U1 direct",)


@pytest.mark.parametrize(("first", "settled"), [(1.0, True), (1.8, True), (1.9, False), (3.0, False)])
def test_noise_is_two_standard_deviations_of_the_margin(first: float, settled: bool) -> None:
    """Margins first, 1, 1: the standard deviation is (first − 1)/√3, and twice that is 1 at first = 1.866."""
    history = [moved(clear_alpha(), "U0->N1", "conv_1x1", by) for by in (first - 1.0, 0.0, 0.0)]
    assert is_settled(history, SPACE, num_epochs=2) == settled


def test_zero_about_to_lose_keeps_a_dropped_edge_open() -> None:
    alpha = clear_alpha()
    alpha["U0->U1"] = {**dict.fromkeys(SPACE.up_operations, 2.0), ZERO: 2.001}  # would win, but for zero
    assert choices(prune(alpha, SPACE), SPACE)["U1 residual"] == "none"
    assert next(d for d in decisions(alpha, SPACE) if d.name == "U1 residual").margin is None
    assert open_decisions([alpha] * 3, SPACE, num_epochs=2, margin=0.01) == ("U1 residual",)
    assert is_settled([alpha] * 3, SPACE, num_epochs=2, margin=0.01, zero_rule="ignored") is False  # equal operations
    far = moved(alpha, "U0->U1", ZERO, 1.0)
    assert is_settled([far] * 3, SPACE, num_epochs=2, margin=0.01)


def test_zero_close_behind_a_kept_edge_keeps_it_open() -> None:
    alpha = clear_alpha()
    alpha["U0->U1"] = {**dict.fromkeys(SPACE.up_operations, -1.0), "deconv_6x6": 2.0, ZERO: 1.999}
    assert open_decisions([alpha] * 3, SPACE, num_epochs=2, margin=0.01) == ("U1 residual",)
    assert is_settled([alpha] * 3, SPACE, num_epochs=2, margin=0.01, zero_rule="ignored")


def test_zero_on_an_edge_that_would_not_win_anyway_does_not_matter() -> None:
    alpha = clear_alpha()
    alpha["U0->U1"] = {**dict.fromkeys(SPACE.up_operations, -1.0), ZERO: -1.0}
    assert is_settled([alpha] * 3, SPACE, num_epochs=2, margin=0.01)


@pytest.mark.parametrize("compare", COMPARES)
def test_settled_means_that_prune_gave_the_same_each_time(compare: Any) -> None:
    """Random walks: the rule against the pruned edges themselves."""
    for seed in range(30):
        alpha, step = random_alpha(SPACE, seed), random_alpha(SPACE, seed + 100, 0.05)
        history = [
            {e: {n: v + k * step[e][n] for n, v in values.items()} for e, values in alpha.items()} for k in range(4)
        ]
        pruned = {prune(record, SPACE, compare=compare) for record in history}
        settled = is_settled(history, SPACE, num_epochs=3, margin=0.0, compare=compare)
        assert settled == (len(pruned) == 1)


def test_a_space_without_alternatives_is_settled_at_once() -> None:
    space = SearchSpace(1, 0, ("skip",), ("deconv_4x4",))
    alpha = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    assert is_settled([alpha, alpha], space, num_epochs=1)
