"""Time and money of work past this machine, from measured numbers. Pure functions; docs/plan-big.md explains them.

Seconds, bytes, and bytes per second throughout. Nothing here was measured on a large cluster: the tests hold the
formulas to a simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """The slowest link between devices: bytes per second, and seconds until a message arrives."""

    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Training:
    """One training: time of a step on one device, bytes of all gradients that a step averages, number of steps.

    `num_reductions`: all-reduces per step, one per backward pass.
    """

    step_seconds: float
    gradient_bytes: float
    num_steps: int
    num_reductions: int = 2

    def communication(self, num_devices: int, network: Network) -> float:
        """Seconds per step of ring all-reduces: 2 (n − 1) messages, each of 1/n of the bytes."""
        hops = 2 * (num_devices - 1)
        return hops * (self.gradient_bytes / num_devices / network.bandwidth + self.num_reductions * network.latency)

    def seconds(self, num_devices: int, network: Network) -> float:
        """The whole training, with each step's batch shared among the devices."""
        return self.num_steps * (self.step_seconds / num_devices + self.communication(num_devices, network))

    def efficiency(self, num_devices: int, network: Network) -> float:
        """The share of the devices' time that is spent on arithmetic."""
        return self.num_steps * self.step_seconds / num_devices / self.seconds(num_devices, network)

    def most_devices(self, network: Network, limit: int = 4096) -> int:
        """The number of devices beyond which communication takes longer than arithmetic."""
        worth = [n for n in range(1, limit + 1) if self.communication(n, network) <= self.step_seconds / n]
        return max(worth)


@dataclass(frozen=True)
class Contest:
    """Equal trials on a cluster, each on one device.

    `trial_seconds` without waiting; `written_bytes` by each trial to the shared disk, whose rate is `disk_bandwidth`;
    `dispatch_seconds` of the head node per trial.
    """

    num_trials: int
    trial_seconds: float
    written_bytes: float
    disk_bandwidth: float
    dispatch_seconds: float

    @property
    def disk_seconds(self) -> float:
        """Seconds that the disk works for one trial."""
        return self.written_bytes / self.disk_bandwidth

    def bounds(self, num_devices: int) -> dict[str, float]:
        """Least seconds of the contest by what limits it: devices, disk, head node."""
        one = self.dispatch_seconds + self.trial_seconds + self.disk_seconds
        return {
            "devices": math.ceil(self.num_trials / num_devices) * one,
            "disk": self.num_trials * self.disk_seconds + self.dispatch_seconds + self.trial_seconds,
            "head node": self.num_trials * self.dispatch_seconds + self.trial_seconds + self.disk_seconds,
        }

    def seconds(self, num_devices: int) -> float:
        """The largest bound; a real contest takes a little longer, where two of them are close."""
        return max(self.bounds(num_devices).values())

    def limit(self, num_devices: int) -> str:
        """What limits the contest: `devices`, `disk` or `head node`."""
        found = self.bounds(num_devices)
        return max(found, key=lambda name: found[name])


def cost(seconds: float, num_devices: int, price_per_hour: float) -> float:
    """The price of `num_devices` for `seconds`, in the currency of `price_per_hour` of one device."""
    return seconds / 3600 * num_devices * price_per_hour
