"""Only the stretches between start and stop count, on both clocks."""

from __future__ import annotations

import torch

from degas_lab.trainings.stopwatch import Stopwatch


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_lies_between_stop_and_start_does_not_count() -> None:
    wall, processor = Hand(), Hand()
    watch = Stopwatch(torch.device("cpu"), wall=wall, processor=processor)
    watch.start()
    wall.now, processor.now = 103.0, 101.0
    assert watch.lap() == {"wall": 3.0, "processor": 1.0}
    wall.now = 104.0
    assert watch.stop() == {"wall": 4.0, "processor": 1.0}
    wall.now, processor.now = 200.0, 200.0
    assert watch.lap() == {"wall": 4.0, "processor": 1.0}
    watch.start()
    wall.now = 205.0
    facts = watch.facts()
    assert (facts["seconds"], facts["processor_seconds"], facts["num_threads"]) == (9.0, 1.0, torch.get_num_threads())
    assert facts["device"] == "cpu"
    assert len(facts["load_average"]) == 3
