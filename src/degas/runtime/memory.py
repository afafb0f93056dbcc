"""The check for enough free memory in advance: Linux grants more than it has, then kills the process. No torch."""

from __future__ import annotations

from pathlib import Path

from degas.errors import UserError

_MEMINFO = Path("/proc/meminfo")
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_CONTAINER = (  # limit, use and statistics of a container: control groups version 2, then version 1
    (_V2 / "memory.max", _V2 / "memory.current", _V2 / "memory.stat"),
    (_V1 / "memory.limit_in_bytes", _V1 / "memory.usage_in_bytes", _V1 / "memory.stat"),
)


def available_bytes() -> int | None:
    """Bytes that this process can still take without swapping, or None if the system does not say."""
    found = []
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
    except (OSError, ValueError, IndexError):
        pass
    for limit, use, statistics in _CONTAINER:
        try:
            in_use = int(use.read_text()) - _cached_bytes(statistics)
            found.append(max(0, int(limit.read_text()) - in_use))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return min(found) if found else None


def _cached_bytes(statistics: Path) -> int:
    """The file cache of a container: counted as used memory, but released as soon as a process needs it."""
    try:
        values = dict(line.split() for line in statistics.read_text().splitlines())
        both = (int(values.get(f"total_{name}", values.get(name, 0))) for name in ("active_file", "inactive_file"))
        return sum(both)
    except (OSError, ValueError):
        return 0


def reject_beyond_memory(what: str, num_bytes: int, lower: str) -> None:
    """Raise `UserError` if `num_bytes`, the least that `what` needs, exceed the free memory.

    `lower` names the settings to lower. Activations are not counted, so passing is no guarantee.
    """
    free = available_bytes()
    if free is not None and num_bytes > free:
        raise UserError(
            f"{what}: needs at least {in_words(num_bytes)} of memory and {in_words(free)} are free; lower {lower}"
        )


def in_words(num_bytes: int) -> str:
    """`1.5 GiB`, `12 MiB`, `200 KiB`."""
    if num_bytes >= 2**30:
        return f"{num_bytes / 2**30:.1f} GiB"
    return f"{num_bytes / 2**20:.0f} MiB" if num_bytes >= 2**20 else f"{num_bytes / 2**10:.0f} KiB"
