from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import fake_run, write_jsonl

from degas.report.collect import collect_run
from degas.report.times import duration, time_tile


def test_the_clock_of_a_resumed_stage_is_summed(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", train=False, evaluate=False)
    log = [{"step": k, "seconds": s} for k, s in enumerate((10, 40, 5, 25))]  # resumed after 40 s
    write_jsonl(path / "search" / "timing.jsonl", log)
    assert time_tile(collect_run(path)) == {"label": "total time", "value": "65 s", "note": "search 65 s"}


def test_the_times_of_all_seeds_count(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", train=False, evaluate=False)
    (path / "search" / "timing.jsonl").unlink()
    for seed in range(3):
        write_jsonl(path / "search" / f"seed-{seed}" / "timing.jsonl", [{"step": 10, "seconds_per_step": 2.0}])
    tile = time_tile(collect_run(path))
    assert tile is not None
    assert tile["value"] == "60 s"


def test_the_times_of_all_stages_of_a_grown_search_count(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", train=False, evaluate=False)
    (path / "search" / "timing.jsonl").unlink()
    for folder in ("grow-008", "grow-016/seed-0", "grow-016/seed-1"):
        write_jsonl(path / "search" / folder / "timing.jsonl", [{"step": 10, "seconds_per_step": 2.0}])
    tile = time_tile(collect_run(path))
    assert tile is not None
    assert tile["value"] == "60 s"


def test_without_times_there_is_no_tile(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run", search=False, train=False)
    write_jsonl(path / "evaluation" / "timing.jsonl", [{"seconds": None}])
    assert time_tile(collect_run(path)) is None


@pytest.mark.parametrize(("seconds", "words"), [(4.2, "4 s"), (89, "89 s"), (300, "5 min"), (28 * 3600, "28.0 h")])
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words
