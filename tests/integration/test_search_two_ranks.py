"""The search on two gloo processes: the same GLO steps as one at the same global batch, one state on both ranks."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from launcher import launch

from degas.runtime.checkpoint import load_newest
from degas.runtime.run_folder import read_jsonl

JOB = Path(__file__).with_name("search_ranks_job.py")


@pytest.mark.slow
def test_two_ranks_fit_as_one_does(tmp_path: Path) -> None:
    for name, num_ranks in (("one", 1), ("two", 2)):
        launch([JOB, tmp_path / name], num_ranks)
    states = [load_newest(tmp_path / name / "glo", pytest.fail) for name in ("one", "two")]
    (_, one), (_, two) = states  # type: ignore[misc]
    for part in ("network", "latents"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-4, atol=1e-6)
    assert (one["latents"]["num_steps"] == 1).all()  # an epoch of three steps visits each of 24 images once
    for name, kind in itertools.product(("one", "two"), ("search", "variants", "paths")):
        folder = tmp_path / name / kind
        alpha, again = (read_jsonl(folder / f"{its}.jsonl")[-1] for its in ("alpha", "again"))
        assert {k: v for k, v in alpha.items() if k not in ("step", "epoch")} == {
            k: v for k, v in again.items() if k != "step"
        }
        assert (folder / "architecture.json").is_file()
    saved = [
        sorted(path.name for path in (tmp_path / name / "timed" / "checkpoints").glob("step-*"))
        for name in ("one", "two")
    ]
    # The ranks ask each other every eighth step; the last two checkpoints are kept.
    assert saved == [["step-00000017", "step-00000018"], ["step-00000016", "step-00000018"]]
    for name in ("one", "two"):  # each rank's own share of the epoch's mean included
        whole, resumed = (read_jsonl(tmp_path / name / kind / "metrics.jsonl")[-1] for kind in ("search", "resumed"))
        assert resumed == whole
        assert "epoch_loss" in whole
