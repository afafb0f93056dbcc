"""The check that a search learns: when it judges, what a slope excuses, what stops and what warns."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from degas.errors import UserError
from degas.nas.plateau import Plateau, projected_loss
from degas.nas.settings import resolve_search
from degas.settings.sections import SearchSettings


class Judge:
    """A signal whose baseline is a loss of 1."""

    def __init__(self, visits: int = 2, *, stops: bool = True) -> None:
        self.plateau_visits, self.plateau_stops = visits, stops

    def learned_nothing(self, loss: float) -> str | None:
        return "1 is nothing; do better" if loss > 0.95 else None


def judge(losses: list[float], judged: Any, num_epochs: int = 50, steps_per_epoch: int = 100) -> Plateau:
    settings = resolve_search(SearchSettings(num_epochs=num_epochs), 640)
    plateau = Plateau(judged, settings, steps_per_epoch=steps_per_epoch)
    for loss in losses:
        plateau(loss)
    return plateau


def test_a_flat_loss_stops_after_the_signals_visits_and_a_hundred_steps() -> None:
    for visits, steps, epoch in ((2, 100, 2), (2, 10, 10), (10, 100, 10)):
        with pytest.raises(UserError, match=f"the loss of epoch {epoch} is 1.0000 and hardly falls, and 1 is nothing"):
            judge([1.0] * 50, Judge(visits), steps_per_epoch=steps)
        judge([1.0] * (epoch - 1), Judge(visits), steps_per_epoch=steps)


def test_a_loss_that_falls_towards_the_baseline_goes_on_and_is_judged_again() -> None:
    falling = [1.0 - 0.002 * k for k in range(20)]  # 0.962 now, 0.90 at the end
    assert judge(falling, Judge()).is_open
    with pytest.raises(UserError, match=r"epoch 30 is 0\.9620"):
        judge(falling + [0.962] * 30, Judge())


def test_what_was_learned_is_not_judged_again() -> None:
    assert not judge([0.9, 0.9, 1.5, 1.5], Judge()).is_open


def test_a_patient_signal_warns_once() -> None:
    with pytest.warns(UserWarning, match="nothing was learned so far: the loss of epoch 10 is") as caught:
        judge([1.0] * 50, Judge(10, stops=False))
    assert len(caught) == 1


def test_a_resumed_search_judges_as_one_that_was_not_interrupted() -> None:
    settings = resolve_search(SearchSettings(num_epochs=50), 640)
    losses = [1.0 - 0.002 * k for k in range(20)]
    whole = judge(losses, Judge())
    resumed = Plateau(Judge(), settings, steps_per_epoch=100)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed.recall(losses)
    assert (resumed.losses, resumed.is_open) == (whole.losses, whole.is_open)


def test_the_projection_is_the_least_squares_line_of_the_later_half() -> None:
    assert projected_loss([0.7], 10) == 0.7
    assert projected_loss([1.0, 0.9], 3) == pytest.approx(0.6)
    assert projected_loss([1.0, 1.2], 3) == 1.2  # rises
    losses = [9.0, 9.0, 1.0, 0.97, 0.96]  # the later half: 1.0, 0.97, 0.96, slope by hand −0.02
    assert projected_loss(losses, 5) == pytest.approx(0.96 - 5 * 0.02)
