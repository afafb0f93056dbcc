"""The report of a sweep: one page from table.json and halving.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from degas.errors import UserError
from degas.report.sweep import sweep_context, write_sweep_report


def row(name: str, status: str, value: float | None = None, **settings: Any) -> dict[str, Any]:
    scores = {} if value is None else {"fid": {"value": value}, "fid_floor": {"value": 1.0}}
    return {
        "name": name,
        "settings": {"data": "digits", "gan.supervised": True, **settings},
        "status": status,
        "scores": scores,
    }


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    rows = [
        row("width=8,seed=0", "done", 30.123456, **{"gan.width": 8}),
        row("width=16,seed=0", "failed", **{"gan.width": 16}),
        row("<b>", "rejected", **{"gan.betas": [0.0, 0.9]}),
    ]
    (tmp_path / "table.json").write_text(json.dumps(rows))
    standings = [
        {"trials": ["width=8,seed=0"], "difference": -0.5, "kept": True},
        {"trials": ["width=16,seed=0"], "difference": None, "kept": False},
    ]
    (tmp_path / "halving.json").write_text(json.dumps([{"mark": 10, "standings": standings}]))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "width=16,seed=0.txt").write_text("\n".join(f"line {k}" for k in range(30)))
    (tmp_path / "runs" / "width=8,seed=0").mkdir(parents=True)
    (tmp_path / "runs" / "width=8,seed=0" / "report.html").write_text("a report")
    return tmp_path


def test_a_row_has_what_differs_and_the_rest_stands_once(sweep: Path) -> None:
    found = sweep_context(sweep)
    assert found["differing"] == ["gan.width", "gan.betas"]
    assert found["shared"] == [("data", "digits"), ("gan.supervised", "on")]
    assert found["scores"] == ["fid"]
    assert found["counts"] == "1 done, 1 failed, 1 rejected"
    assert [one["settings"] for one in found["rows"]] == [["8", "—"], ["16", "—"], ["—", "0.0 0.9"]]
    assert [one["scores"] for one in found["rows"]] == [["30.12"], ["—"], ["—"]]
    assert found["rows"][0]["link"] == "runs/width=8,seed=0/report.html"
    assert found["problems"][0]["log"].splitlines() == [f"line {k}" for k in range(18, 30)]
    assert "cannot be read" in found["problems"][1]["log"]


def test_the_page_is_one_file_that_shows_every_trial(sweep: Path) -> None:
    page = write_sweep_report(sweep).read_text(encoding="utf-8")
    for shown in ("width=8,seed=0", "30.12", "after 10 steps", "−0.5", "line 29", "&lt;b&gt;"):
        assert shown in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page == write_sweep_report(sweep).read_text(encoding="utf-8")


def test_a_folder_without_a_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no sweep; give the --out of degas sweep"):
        write_sweep_report(tmp_path)
    (tmp_path / "table.json").write_text("[")
    with pytest.raises(UserError, match=r"table.json: cannot be read .*; run the same degas sweep again"):
        write_sweep_report(tmp_path)
