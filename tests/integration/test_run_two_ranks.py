"""`degas run` and the stages after one another on two processes: they search and train together, one measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from launcher import launch

TINY = """--data.max-images 100 --data.image-size 8 --device cpu --search.width 4 --search.num-epochs 2
    --search.batch-images 16 --search.plateau-share 0 --gan.num-steps 2 --gan.width 4 --gan.batch-images 8
    --evaluate.num-samples 64 --quiet"""


@pytest.mark.slow
def test_the_whole_job_on_two_processes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["-m", "degas", "run", "--data", "digits", "--out", out, *TINY.split()]
    said = launch(command, 2).stdout
    assert said.count("1. search") == said.count("\nparameters ") == 1
    assert json.loads((out / "evaluation/scores.json").read_text())["scores"]
    assert (out / "report.html").is_file()
    assert json.loads((out / "search/config.json").read_text())["num_ranks"] == 2
    launch(command, 2)  # again: everything is there
