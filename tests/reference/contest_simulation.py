"""A contest of equal trials, event by event: a head node and a disk that serve one request after the other."""

from __future__ import annotations

import heapq

from degas_lab.capacity import Contest


def simulated_seconds(contest: Contest, num_devices: int) -> float:
    """Each trial waits for a device, the head node, its work and the disk, in this order; first come, first served."""
    head_free = disk_free = 0.0
    left, ended = contest.num_trials, 0.0
    events = [(0.0, number, "free") for number in range(num_devices)]
    heapq.heapify(events)
    while events:
        now, number, what = heapq.heappop(events)
        if what == "free" and left:
            left -= 1
            head_free = max(now, head_free) + contest.dispatch_seconds
            heapq.heappush(events, (head_free + contest.trial_seconds, number, "write"))
        elif what == "write":
            disk_free = max(now, disk_free) + contest.disk_seconds
            ended = max(ended, disk_free)
            heapq.heappush(events, (disk_free, number, "free"))
    return ended


def simulated_step(compute: float, gradient_bytes: float, num_devices: int, bandwidth: float, latency: float) -> float:
    """One step with one ring all-reduce: every device sends a piece to its neighbour 2 (n − 1) times, in rounds."""
    times = [compute / num_devices] * num_devices
    for _ in range(2 * (num_devices - 1)):
        sent = [time + latency + gradient_bytes / num_devices / bandwidth for time in times]
        times = [max(times[k], sent[k - 1]) for k in range(num_devices)]
    return max(times)
