"""A grown search on the page: one row per image size."""

from __future__ import annotations

from pathlib import Path

from fake_run import fake_run, write_json, write_jsonl

from degas.report.collect import collect_run
from degas.report.growth import growth_section, training_growth
from degas.report.render import write_report

GROWTH = [
    {"folder": "grow-008", "image_size": 8, "num_steps": 10, "loss": 0.25, "choices": {"N1 direct": "skip"}},
    {"folder": "grow-016", "image_size": 16, "loss": None, "choices": {"N2 direct": "<b>", "U2 residual": "none"}},
    {"folder": "grow-032", "image_size": "32", "choices": {}},
    {"folder": "grow-064", "image_size": 64, "choices": []},
]


def test_a_row_says_what_a_stage_decided_its_loss_and_its_time(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    write_json(path / "search" / "growth.json", GROWTH)
    for folder in ("grow-016/seed-0", "grow-016/seed-1"):
        write_jsonl(path / "search" / folder / "timing.jsonl", [{"step": 10, "seconds": 20.0}])
    first, second = growth_section(collect_run(path))  # malformed records are left out
    assert first == {"size": "8 px", "choices": [("N1 direct", "skip")], "loss": "0.2500", "time": ""}
    assert second == {
        "size": "16 px",
        "choices": [("N2 direct", "<b>"), ("U2 residual", "none")],
        "loss": "",
        "time": "40 s",
    }
    page = write_report([path], tmp_path / "r.html").read_text()
    assert "Grown in stages" in page
    assert "N2 direct <code>&lt;b&gt;</code>, U2 residual <code>none</code>" in page


def test_a_plain_search_has_no_such_section(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    assert growth_section(collect_run(path)) == []
    assert "Grown in stages" not in write_report([path], tmp_path / "r.html").read_text()


def test_a_grown_training_has_a_row_for_each_image_size(tmp_path: Path) -> None:
    path = fake_run(tmp_path / "run")
    stages = [
        {"image_size": 8, "first_step": 1, "last_step": 50},
        {"image_size": 16, "first_step": 51, "last_step": 99},
    ]
    write_json(path / "train" / "growth.json", [*stages, {"image_size": 32}, {"first_step": "<b>"}])
    steps = [{"step": step, "seconds_per_step": 0.5 if step <= 50 else 2.0} for step in (20, 50, 70)]
    write_jsonl(path / "train" / "timing.jsonl", steps)
    assert training_growth(collect_run(path)) == [
        {"size": "8 px", "steps": "1 to 50", "time": "25 s"},
        {"size": "16 px", "steps": "51 to 99", "time": "40 s"},
    ]
    page = write_report([path], tmp_path / "r.html").read_text()
    assert page.count("Grown in stages") == 1
    assert "51 to 99" in page
