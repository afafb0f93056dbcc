"""Adversarial training on two gloo processes: the same steps as one at the same global batch, penalties included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from launcher import launch

from degas.generator.generator import Generator
from degas.runtime.checkpoint import load_newest

JOB = Path(__file__).with_name("gan_ranks_job.py")


@pytest.mark.slow
def test_two_ranks_step_as_one_does(tmp_path: Path) -> None:
    for name, num_ranks in (("one", 1), ("two", 2)):
        launch([JOB, tmp_path / name], num_ranks)
        assert Generator.load(tmp_path / name / "train" / "generator").num_classes == 2
        assert Generator.load(tmp_path / name / "grown" / "generator").image_size == 16
    for objective in ("sn-gan", "r3gan", "wgan-gp"):
        one, two = (load_newest(tmp_path / name / objective, pytest.fail)[1] for name in ("one", "two"))
        for network in ("critic", "generator"):
            for name, value in one[network].items():
                if (objective, name) == ("r3gan", "score.bias"):
                    continue  # it cancels in a pair: its gradient is rounding, of which Adam makes whole steps
                message = f"{objective} {network} {name}"
                torch.testing.assert_close(two[network][name], value, rtol=1e-3, atol=2e-5, msg=message)
