"""How much memory there is, asked before it is taken: Linux promises more than it has and then kills. No torch."""

from __future__ import annotations

from pathlib import Path

from degas.errors import UserError

_MEMINFO = Path("/proc/meminfo")
_CONTAINER = (  # limit and use of a container, by the second and the first version of control groups
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def available_bytes() -> int | None:
    """Bytes that this process can still take without swapping, or None where the system does not say."""
    found = []
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
    except (OSError, ValueError, IndexError):
        pass
    for limit, use in _CONTAINER:
        try:
            found.append(max(0, int(limit.read_text()) - int(use.read_text())))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return min(found) if found else None


def refuse_beyond_memory(what: str, num_bytes: int, lower: str) -> None:
    """Raise `UserError` when `num_bytes`, what `what` holds at the very least, are more than there is.

    `lower` names the settings to lower. Activations come on top, so passing is no promise.
    """
    free = available_bytes()
    if free is not None and num_bytes > free:
        raise UserError(
            f"{what}: needs at least {num_bytes / 2**30:.1f} GiB of memory and {free / 2**30:.1f} GiB are free; "
            f"lower {lower}"
        )
