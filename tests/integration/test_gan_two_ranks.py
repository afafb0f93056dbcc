"""Adversarial training on two gloo processes: the same steps as one at the same global batch, penalties included."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from degas.nets.generator import Generator
from degas.runtime.checkpoint import load_newest

JOB = Path(__file__).with_name("gan_ranks_job.py")


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
def test_two_ranks_step_as_one_does(tmp_path: Path) -> None:
    for name, num_ranks in (("one", 1), ("two", 2)):
        launch(tmp_path / name, num_ranks)
        assert Generator.load(tmp_path / name / "train" / "generator").num_classes == 2
    for objective in ("sn-gan", "r3gan", "wgan-gp"):
        one, two = (load_newest(tmp_path / name / objective, pytest.fail)[1] for name in ("one", "two"))
        for network in ("critic", "generator"):
            for name, value in one[network].items():
                if (objective, name) == ("r3gan", "score.bias"):
                    continue  # it cancels in a pair: its gradient is rounding, of which Adam makes whole steps
                message = f"{objective} {network} {name}"
                torch.testing.assert_close(two[network][name], value, rtol=1e-3, atol=2e-5, msg=message)
