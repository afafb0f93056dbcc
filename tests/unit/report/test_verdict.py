from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run, write_json, write_jsonl

from degas.report.collect import collect_run
from degas.report.verdict import verdict, verdict_on


def scores(value: float, floor: float | None = 10.0, untrained: float | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"scores": {"kid_5k_train": {"value": 1.0}, "fid_5k_train[imagenet]": {"value": value}}}
    if floor is not None:
        found["scores"]["fid_5k_train_floor[imagenet]"] = {"value": floor}
    if untrained is not None:
        found["untrained"] = {"fid_5k_train[imagenet]": {"value": untrained}}
    return found


@pytest.mark.parametrize(
    ("value", "untrained", "level"),
    [
        (12.0, None, "close"),
        (30.0, 400.0, "close"),
        (30.1, 400.0, "between"),
        (100.0, 400.0, "between"),
        (100.1, 400.0, "far"),
        (50.0, 101.0, "between"),
        (50.0, 99.0, "far"),  # not half the way from where it began
        (12.0, 20.0, "far"),
    ],
)
def test_the_thresholds(value: float, untrained: float | None, level: str) -> None:
    found = verdict_on(scores(value, untrained=untrained))
    assert found is not None
    assert found.level == level


def test_the_sentence_and_what_it_is_computed_from() -> None:
    found = verdict_on(scores(32.0, 10.0, 470.0))
    assert found is not None
    assert found.sentence == (
        "Samples are 3.2 times as far from your images as your images are from each other; an untrained generator is "
        "47 times as far."
    )
    assert found.basis == "fid_5k_train[imagenet]: 32; real images against real ones 10; untrained 470"
    near = verdict_on(scores(10.2))
    assert near is not None
    assert near.sentence == "Samples are as near to your images as your images are to each other."
    far = verdict_on(scores(234.0))
    assert far is not None
    assert far.sentence == "Samples are 23 times as far from your images as your images are from each other."


def test_the_first_distance_with_a_floor_counts_and_floors_of_old_files_too() -> None:
    both = scores(32.0)
    both["scores"] = {"fid_1k_train": {"value": 5.0}, **both["scores"]}
    found = verdict_on(both)
    assert found is not None
    assert found.ratio == pytest.approx(3.2)
    old = verdict_on({"scores": {"fid_1k_train": {"value": 5.0, "floor": 2.0}}})
    assert old is not None
    assert old.ratio == pytest.approx(2.5)


def test_an_untrained_generator_near_the_images_is_told_in_words_and_one_decimal() -> None:
    told = {begun: getattr(verdict_on(scores(90.0, 10.0, begun)), "sentence", "") for begun in (99.0, 15.0, 10.2)}
    assert told[99.0].endswith("; an untrained generator is 9.9 times as far.")
    assert told[15.0].endswith("; an untrained generator is 1.5 times as far.")
    assert told[10.2].endswith("; those of an untrained generator are as near.")


@pytest.mark.parametrize(
    ("floor", "why"), [(None, "without a floor"), (0.0, "your images are so alike"), (-1.0, "your images are so alike")]
)
def test_without_a_floor_there_is_a_figure_and_no_verdict(floor: float | None, why: str) -> None:
    found = verdict_on(scores(32.0, floor))
    assert found is not None
    assert (found.level, found.scale) == ("unknown", None)
    assert found.sentence.startswith(f"FID 32; {why}")
    assert verdict_on({"scores": {"kid_5k_train": {"value": 1.0}}}) is None
    assert verdict_on({}) is None


def test_places_on_the_scale_rise_with_the_distance_and_stay_on_it() -> None:
    found = verdict_on(scores(5.0, 10.0, 5000.0))
    assert found is not None
    assert found.scale is not None
    assert found.scale["ratio"] == 0
    assert 0 < found.scale["close"] < found.scale["far"] < found.scale["untrained"] < 100
    alone = verdict_on(scores(30.0))
    assert alone is not None
    assert alone.scale is not None
    assert alone.scale["untrained"] is None
    assert alone.scale["ratio"] == pytest.approx(alone.scale["close"])


def test_what_has_been_done_so_far_where_nothing_is_measured(tmp_path: Path) -> None:
    def told(**stages: bool) -> str:
        name = "-".join(f"{stage}{on}" for stage, on in stages.items())
        return verdict(collect_run(fake_run(tmp_path / name, **stages))).sentence

    assert told(train=False, evaluate=False) == "Searched, and not trained yet."
    assert told(evaluate=False) == "Training is not finished: 1,500 of 1,500 steps so far."
    done = fake_run(tmp_path / "done", evaluate=False)
    write_json(done / "train" / "done.json", {})
    assert verdict(collect_run(done)).sentence == "Trained, and not measured yet: degas evaluate does it."
    write_jsonl(tmp_path / "begun" / "search" / "metrics.jsonl", [{"step": 1}])
    assert verdict(collect_run(tmp_path / "begun")).sentence == "The search is not finished."
    (done / "train" / "done.json").unlink()
    write_json(done / "train" / "config.json", {})
    write_jsonl(done / "train" / "metrics.jsonl", [{"step": "x"}])
    assert verdict(collect_run(done)).sentence == "Training is not finished: 0 steps so far."
