"""Checkpoints by time as well as by steps."""

from __future__ import annotations

from degas.runtime.save_clock import SaveClock


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_by_steps_where_that_is_asked_for() -> None:
    assert [step for step in range(1, 10) if SaveClock(4).due_at(step)] == [4, 8]
    assert not any(SaveClock(0).due_at(step) for step in range(1, 10))


def test_about_once_a_minute_from_the_end_of_the_last_one() -> None:
    clock = Clock()
    saves = SaveClock(0, clock)
    seen = []
    for _ in range(200):
        clock.now += 1
        if saves.due_now():
            seen.append(clock.now - 1000)
            with saves.saving():
                clock.now += 2
    assert seen == [60, 122, 184]


def test_a_slow_disk_is_not_written_to_all_the_time() -> None:
    clock = Clock()
    saves = SaveClock(0, clock)
    with saves.saving():
        clock.now += 30
    clock.now += 599
    assert not saves.due_now()
    clock.now += 1
    assert saves.due_now()
