"""The tables of docs/plan-big.md, computed from measured numbers; a test holds the page to them. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from degas_lab.capacity import Contest, Network, Training

# Two cores of an AMD EPYC, 32 px, width 32, batch 64 (docs/results/benchmark-2-cores.json): such a machine is a device.
STEP_SECONDS = 0.2136 + 0.1717  # a critic step and a generator step
GRADIENT_BYTES = 4 * (265_744 + 251_363)  # degas-cifar10 and its critic, by `degas train --dry-run`
CHECKPOINT_BYTES = 4 * (3 * (265_744 + 251_363) + 251_363)  # weights, two moments; the averaged generator
NUM_STEPS = 5000  # the default of --gan.num-steps
ETHERNET = Network(bandwidth=1.25e9, latency=1e-4)  # assumed: 10 Gbit/s
DISK_BANDWIDTH = 200e6  # assumed: a shared disk for many writers
DISPATCH_SECONDS = 0.1  # assumed: a driver and Ray, for one trial
DATA_SETS = {"CIFAR-10": 32, "STL-10": 48, "CelebA": 64, "128 px": 128}
DEVICES = (1, 8, 64)


def training_of(image_size: int) -> Training:
    """A training at another size: time grows with the number of pixels, as the convolutions do."""
    return Training(STEP_SECONDS * (image_size / 32) ** 2, GRADIENT_BYTES, NUM_STEPS)


def contest_of(image_size: int, num_trials: int = 1000) -> Contest:
    seconds = training_of(image_size).seconds(1, ETHERNET)
    return Contest(num_trials, seconds, seconds / 60 * CHECKPOINT_BYTES, DISK_BANDWIDTH, DISPATCH_SECONDS)


def training_rows() -> Iterator[str]:
    """A row a data set: hours on each number of devices, device-hours there, and the number worth using."""
    for name, size in DATA_SETS.items():
        training = training_of(size)
        hours = [training.seconds(n, ETHERNET) / 3600 for n in DEVICES]
        cells = [f"{h:.2f} ({h * n:.1f})" for h, n in zip(hours, DEVICES, strict=True)]
        yield f"| {name} | {size} | {' | '.join(cells)} | {training.most_devices(ETHERNET):,} |"


def contest_rows() -> Iterator[str]:
    """A row a data set: hours of 1,000 trainings on 100 devices, device-hours, what limits, how busy the disk is."""
    for name, size in DATA_SETS.items():
        contest = contest_of(size)
        hours = contest.seconds(100) / 3600
        share = contest.num_trials * contest.disk_seconds / contest.seconds(100)
        yield f"| {name} | {size} | {hours:.1f} | {100 * hours:,.0f} | {contest.limit(100)} | {100 * share:.0f} % |"
