"""Starts a script or a module on one process, or on several by torchrun."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence


def launch(command: Sequence[object], num_ranks: int, *, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run `command` (a script and its arguments, or -m, a module and its arguments); it must succeed."""
    start = [sys.executable]
    if num_ranks > 1:
        start += ["-m", "torch.distributed.run", "--nproc-per-node", str(num_ranks)]
        start += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    job = [*start, *(str(word) for word in command)]
    result = subprocess.run(job, env=environment, capture_output=True, text=True, timeout=timeout)
    assert result.returncode == 0, result.stderr[-4000:]
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
