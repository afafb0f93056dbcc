"""Tools for measuring: interleaved medians, and the peak memory of a call."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping

import torch
from torch.profiler import ProfilerActivity, profile

MIB = 1024.0**2
# Processor time is reliable on a busy machine, but only on one thread and without a GPU.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def wait_for(device: torch.device) -> None:
    """Wait until everything queued on `device` is done; return at once on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleaved_ms(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 2,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median milliseconds of each call; each round runs all of them, so that slow phases of the machine affect all."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warm_up + rounds):
        for name, call in calls.items():
            start = clock()
            call()
            wait_for(device)
            if number >= warm_up:
                times[name].append((clock() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_mib(call: Callable[[], object], device: torch.device) -> float:
    """The peak memory of `call` beyond the memory held before it, in MiB.

    On the CPU it adds up every allocation and release of a tensor's memory, without the scratch memory of libraries. On
    CUDA it is the caching allocator's own number.
    """
    if device.type == "cuda":
        wait_for(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        wait_for(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MIB
    gc.collect()  # garbage of earlier calls, released during this one, would lower the sum
    with silent_errors(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = most = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most / MIB


@contextlib.contextmanager
def silent_errors() -> Iterator[None]:
    """Suppress the lines that torch's profiler writes to standard error about itself, outside Python."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
