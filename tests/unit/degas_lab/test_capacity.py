"""The formulas for time and money past this machine, against a simulation with the same delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contest_simulation import simulated_seconds, simulated_step

from degas_lab.capacity import Contest, Network, Training, cost
from degas_lab.capacity_tables import STEP_SECONDS, contest_rows, training_rows

NETWORK = Network(bandwidth=1e9, latency=1e-4)


@pytest.mark.parametrize("num_devices", [1, 2, 8, 64])
@pytest.mark.parametrize("gradient_bytes", [0.0, 1e6, 1e9])
def test_a_step_takes_as_long_as_its_simulation(num_devices: int, gradient_bytes: float) -> None:
    training = Training(0.5, gradient_bytes, 1, num_reductions=1)
    found = simulated_step(0.5, gradient_bytes, num_devices, NETWORK.bandwidth, NETWORK.latency)
    assert training.seconds(num_devices, NETWORK) == pytest.approx(found, rel=1e-9)


def test_one_device_communicates_nothing_and_more_of_them_lose_efficiency() -> None:
    training = Training(0.1, 1e7, 1000)
    assert training.seconds(1, NETWORK) == pytest.approx(100.0)
    found = [training.efficiency(n, NETWORK) for n in (1, 2, 8, 64)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1.0
    most = training.most_devices(NETWORK)
    assert training.efficiency(most, NETWORK) >= 0.5 > training.efficiency(most + 1, NETWORK)


CASES = [
    ("devices", Contest(1000, 600.0, 1e8, 1e9, 0.01)),
    ("disk", Contest(1000, 60.0, 5e9, 1e9, 0.01)),
    ("head node", Contest(1000, 60.0, 1e6, 1e9, 2.0)),
]


@pytest.mark.parametrize(("limit", "contest"), CASES, ids=[name for name, _ in CASES])
def test_a_contest_takes_as_long_as_its_simulation(limit: str, contest: Contest) -> None:
    assert contest.limit(100) == limit
    found = simulated_seconds(contest, 100)
    assert contest.seconds(100) <= found * (1 + 1e-9)  # a bound
    assert contest.seconds(100) == pytest.approx(found, rel=0.05)


def test_the_bounds_hold_wherever_they_meet() -> None:
    for num_trials in (1, 7, 100, 101, 1000):
        for seconds in (1.0, 60.0):
            for written in (0.0, 1e8, 1e9):
                for dispatch in (0.0, 0.1, 1.0):
                    contest = Contest(num_trials, seconds, written, 1e9, dispatch)
                    found = simulated_seconds(contest, 100)
                    assert contest.seconds(100) <= found * (1 + 1e-9)
                    assert found <= sum(contest.bounds(100).values())


def test_money_is_device_hours() -> None:
    assert cost(1800, 8, 2.0) == pytest.approx(8.0)


@pytest.mark.parametrize("rows", [training_rows, contest_rows])
def test_the_page_shows_what_the_formulas_give(rows: Callable[[], Iterator[str]]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "plan-big.md").read_text(encoding="utf-8").splitlines()
    for row in rows():
        assert row in page


def test_measured_numbers_are_those_of_the_file() -> None:
    path = Path(__file__).parents[3] / "docs" / "results" / "benchmark-2-cores.json"
    found = json.loads(path.read_bytes())
    seconds = (found["critic_step"]["ours_ms"] + found["generator_step"]["ours_ms"]) / 1000
    assert pytest.approx(seconds, rel=1e-3) == STEP_SECONDS
