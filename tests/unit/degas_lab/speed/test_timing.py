from __future__ import annotations

import gc

import pytest
import torch

from degas_lab.speed.timing import interleaved_ms, peak_mib

CPU = torch.device("cpu")


def test_rounds_are_interleaved_and_the_warm_up_does_not_count() -> None:
    clock = [0.0]
    order: list[str] = []

    def call(name: str, seconds: list[float]) -> None:
        order.append(name)
        clock[0] += seconds.pop(0)

    slow, fast = [9.0, 0.3, 0.1, 0.2], [9.0, 0.01, 0.03, 0.02]
    calls = {"slow": lambda: call("slow", slow), "fast": lambda: call("fast", fast)}
    times = interleaved_ms(calls, rounds=3, warm_up=1, device=CPU, clock=lambda: clock[0])
    assert times == pytest.approx({"slow": 200.0, "fast": 20.0})
    assert order == ["slow", "fast"] * 4


def test_peak_is_what_is_held_at_a_time_and_not_the_sum() -> None:
    def one_after_the_other() -> None:
        for _ in range(4):
            torch.zeros(1 << 18)  # 1 MiB, released at once

    def together() -> None:
        kept = [torch.zeros(1 << 18) for _ in range(4)]
        del kept

    assert peak_mib(one_after_the_other, CPU) == pytest.approx(1.0, abs=0.1)
    assert peak_mib(together, CPU) == pytest.approx(4.0, abs=0.1)


def test_garbage_of_earlier_calls_does_not_lower_the_peak() -> None:
    """A cycle holds 8 MiB until the collector runs, which it may do inside the measured call."""
    cycle: list[object] = [torch.zeros(1 << 21)]
    cycle.append(cycle)
    del cycle

    def collects_halfway() -> None:
        gc.collect()
        torch.zeros(1 << 18)

    assert peak_mib(collects_halfway, CPU) == pytest.approx(1.0, abs=0.1)
