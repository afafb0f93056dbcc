"""The rate of the first steps: warm-up left out, enough measured, told once."""

from __future__ import annotations

import pytest

from degas.runtime.estimate import WARM_UP_STEPS, FirstSteps, format_about


def told(times: list[float], steps_each: int = 1) -> list[tuple[int, float]]:
    """Which update tells a rate, and what: `times` are the seconds of each update."""
    first, now, found = FirstSteps(), 0.0, []
    for k, seconds in enumerate(times, 1):
        now += seconds
        rate = first.seconds_per_step(k * steps_each, now)
        if rate is not None:
            found.append((k, rate))
    return found


def test_slow_first_steps_do_not_count() -> None:
    assert told([100.0, 50.0, 20.0, *[1.0] * 50]) == [(WARM_UP_STEPS + 5, pytest.approx(1.0))]


def test_fast_steps_are_measured_for_seconds_and_slow_ones_a_few_times() -> None:
    assert told([0.001] * 1000) == []  # over before anything can be said
    ((update, rate),) = told([1 / 64] * 1000)
    assert update == WARM_UP_STEPS + 3 * 64
    assert rate == pytest.approx(1 / 64)
    assert told([30.0] * 10) == [(WARM_UP_STEPS + 2, pytest.approx(30.0))]


def test_updates_of_many_steps_are_counted_as_such() -> None:
    assert told([3.2] * 20, steps_each=32) == [(WARM_UP_STEPS + 5, pytest.approx(0.1))]


def test_no_step_finished_is_no_rate() -> None:
    first = FirstSteps()
    assert [first.seconds_per_step(7, float(k)) for k in range(100)] == [None] * 100


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "5 s"), (43, "45 s"), (88, "90 s"), (95, "2 min"), (720, "12 min"), (12240, "3.4 h")]
)
def test_an_estimate_is_no_finer_than_it_is_sure(seconds: float, text: str) -> None:
    assert format_about(seconds) == text
