"""Two gloo processes against one, at the same global batch: gradients, weights, logs, collectives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from degas.runtime.checkpoint import load_newest
from degas.runtime.run_folder import read_jsonl

JOB = Path(__file__).with_name("ranks_job.py")


def launch(folder: Path, num_ranks: int, precision: str) -> None:
    """One rank without any launcher, several by torchrun."""
    command = [sys.executable]
    if num_ranks > 1:
        command += ["-m", "torch.distributed.run", "--nproc-per-node", str(num_ranks)]
        command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    job = [*command, str(JOB), str(folder), precision]
    result = subprocess.run(job, env=environment, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr[-4000:]
    assert "Warning" not in result.stderr, result.stderr[-4000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def newest(folder: Path) -> dict:
    found = load_newest(folder / "checkpoints", pytest.fail)
    assert found is not None
    return found[1]


def relative_error(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The largest over the tensors of ‖a − b‖ / ‖b‖."""
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_two_ranks_match_one_at_equal_global_batch(tmp_path: Path, precision: str, tolerance: float) -> None:
    launch(tmp_path / "one", 1, precision)
    launch(tmp_path / "two", 2, precision)
    for stage in ("first", "second"):
        one, two = newest(tmp_path / "one" / stage), newest(tmp_path / "two" / stage)
        assert relative_error(two["gradients"], one["gradients"]) < tolerance
        assert relative_error(two["weights"], one["weights"]) < tolerance
        logs = [read_jsonl(tmp_path / run / stage / "metrics.jsonl") for run in ("one", "two")]
        assert [record["step"] for record in logs[1]] == [1, 2, 3]  # written once, by rank 0
        for ours, theirs in zip(logs[1], logs[0], strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=max(tolerance, 1e-5))
    first, second = (newest(tmp_path / "two" / stage) for stage in ("first", "second"))
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])
