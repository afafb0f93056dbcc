"""Two gloo processes against one, at the same global batch: gradients, weights, logs, collectives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from launcher import launch

from degas.runtime.checkpoint import load_newest
from degas.runtime.run_folder import read_jsonl

JOB = Path(__file__).with_name("ranks_job.py")


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
    assert "Warning" not in launch([JOB, tmp_path / "one", precision], 1).stderr
    assert "Warning" not in launch([JOB, tmp_path / "two", precision], 2).stderr
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
