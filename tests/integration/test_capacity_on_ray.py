"""The formulas of docs/plan-big.md against trials on a Ray cluster of three nodes, with injected delays.

A trial waits for the driver, a free core and one shared disk, for which an actor stands; all of them sleep. What Ray
and a busy machine add is bounded.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from typing import Any

import pytest

from degas_lab.capacity import Contest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra `sweep`"),
]
NUM_NODES = 3
ADDED_SECONDS = 0.4  # by Ray, a trial and device, on a busy machine of two cores
CASES = {
    "devices": Contest(9, 2.0, 10.0, 1000.0, 0.01),
    "disk": Contest(9, 0.5, 900.0, 1000.0, 0.01),
    "head node": Contest(9, 0.5, 10.0, 1000.0, 0.8),
}


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    from ray_nodes import start_cluster

    cluster = start_cluster(NUM_NODES, cpus=1)
    import ray

    ray.init(address=cluster.address, log_to_driver=False, namespace="capacity")
    yield ray
    ray.shutdown()
    cluster.shutdown()


def seconds_of(contest: Contest, ray: Any) -> float:
    """Run the contest: the driver takes its time for each trial, and gives one to each core that is free."""

    class Disk:
        def write(self) -> None:
            time.sleep(contest.disk_seconds)

    def trial(disk: Any) -> None:
        time.sleep(contest.trial_seconds)
        ray.get(disk.write.remote())

    disk = ray.remote(Disk).options(num_cpus=0).remote()
    task = ray.remote(trial).options(num_cpus=1)
    ray.get([task.remote(disk) for _ in range(NUM_NODES)])  # starts the workers
    begun, running = time.perf_counter(), list[Any]()
    for _ in range(contest.num_trials):
        if len(running) == NUM_NODES:
            _, running = ray.wait(running, num_returns=1)
        time.sleep(contest.dispatch_seconds)
        running.append(task.remote(disk))
    ray.get(running)
    return time.perf_counter() - begun


@pytest.mark.parametrize("limit", CASES)
def test_a_contest_on_a_cluster_takes_what_the_formula_says(limit: str, ray: Any) -> None:
    contest = CASES[limit]
    assert contest.limit(NUM_NODES) == limit
    found, bound = seconds_of(contest, ray), contest.seconds(NUM_NODES)
    assert bound <= found * 1.001
    assert found <= bound + ADDED_SECONDS * contest.num_trials / NUM_NODES + 0.1 * bound
