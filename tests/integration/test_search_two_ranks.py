"""The search on two gloo processes: the same GLO steps as one at the same global batch, one state on both ranks."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from degas.runtime.checkpoint import load_newest
from degas.runtime.run_folder import read_jsonl

JOB = Path(__file__).with_name("search_ranks_job.py")


def launch(folder: Path, num_ranks: int) -> None:
    command = [sys.executable]
    if num_ranks > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command += ["-m", "torch.distributed.run", "--nproc-per-node", str(num_ranks)]
        command += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    job = [*command, str(JOB), str(folder)]
    result = subprocess.run(job, env=environment, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.slow
def test_two_ranks_fit_as_one_does(tmp_path: Path) -> None:
    for name, num_ranks in (("one", 1), ("two", 2)):
        launch(tmp_path / name, num_ranks)
    states = [load_newest(tmp_path / name / "glo", pytest.fail) for name in ("one", "two")]
    (_, one), (_, two) = states  # type: ignore[misc]
    for part in ("network", "latents"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-4, atol=1e-6)
    assert (one["latents"]["num_steps"] == 1).all()  # an epoch of three steps visits each of 24 images once
    for name, kind in itertools.product(("one", "two"), ("search", "variants")):
        folder = tmp_path / name / kind
        alpha, again = (read_jsonl(folder / f"{its}.jsonl")[-1] for its in ("alpha", "again"))
        assert {k: v for k, v in alpha.items() if k not in ("step", "epoch")} == {
            k: v for k, v in again.items() if k != "step"
        }
        assert (folder / "architecture.json").is_file()
