"""The report's section on a contest, from files as `degas contest` writes them, and from damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run, write_json

from degas.report.collect import collect_run
from degas.report.contest import ContestFiles, comparisons, contest_section, effects_by_edge, finalists
from degas.report.render import write_report

CANDIDATES = [
    {"name": "c1", "family": "up-normal/nearest", "proposed_by": "glo", "num_parameters": 124257},
    {"name": "c2", "family": "normal-up/deconv", "proposed_by": "draw", "num_parameters": 99000},
]
NEW = {"name": "n1", "family": "up-normal/nearest", "proposed_by": "model", "num_parameters": 105697}
RUNGS = [
    {"rung": 1, "standings": [{"name": "c1"}], "added": [NEW]},
    {"rung": 2, "standings": [{"name": "c1"}, {"name": "n1"}]},
    {
        "rung": 3,
        "standings": [
            {"name": "n1", "family": "up-normal/nearest", "promoted": True, "why": "least mean",
             "scores": {"0": 31.25, "1": 30}},
            {"name": "c1", "family": "up-normal/nearest", "promoted": False, "why": "", "scores": {"0": 36, "1": 35}},
        ],
    },
]  # fmt: skip
EFFECTS = {
    "effects": {
        "U0->N1": {"skip": {"effect": 4.0, "se": 1.5}, "conv_3x3": {"effect": -4.0, "se": 1.5}},
        "U0->U1": {"zero": {"effect": 0.5, "se": 2.0}, "deconv_4x4": {"effect": -0.5, "se": 2.0}},
    },
    "order": {"up-normal": {"effect": -8.0, "se": 3.0}, "normal-up": {"effect": 8.0, "se": 3.0}},
    "left_out_error": 6.1,
    "spread": 9.7,
}
PRUNING = {"measured": "alone", "decided_by": "x", "values": {"U0->N1": {"skip": -0.05, "conv_3x3": -0.07}}}
VERDICT = {
    "comparisons": [
        {"against": "resnet", "metric": "fid", "difference": -4.2, "low": -6.0, "high": -2.4, "num_seeds": 10,
         "verdict": "better"},
        {"against": "resnet", "metric": "kid", "difference": 0.001, "low": -0.01, "high": 0.012, "num_seeds": 10,
         "verdict": "not told apart"},
    ],
    "equal_time": [
        {"against": "resnet", "metric": "fid", "difference": -3.9, "low": -6.1, "high": -1.7, "num_seeds": 10,
         "verdict": "better", "time_ratio": 1.03, "steps": [2427, 2500]},
    ],
}  # fmt: skip


def contest_run(path: Path) -> Path:
    fake_run(path)
    for name, content in (("candidates", CANDIDATES), ("rungs", RUNGS), ("effects", EFFECTS), ("verdict", VERDICT)):
        write_json(path / "contest" / f"{name}.json", content)
    return path


def test_comparisons_keep_their_sign_and_words() -> None:
    first, second, third = comparisons(VERDICT)
    assert first["metric"] == "Fréchet distance"
    assert (first["difference"], first["interval"], first["verdict"]) == ("−4.2", "−6 to −2.4", "better")
    assert (second["metric"], second["seeds"], second["verdict"]) == ("KID", "10", "not told apart")
    assert [one["equal"] for one in (first, second, third)] == ["steps", "steps", "processor time"]


def test_the_finalists_are_those_of_the_last_rung_with_their_origin() -> None:
    first, second = finalists(ContestFiles(CANDIDATES, RUNGS))
    assert (first["name"], first["proposed_by"], first["num_parameters"]) == ("n1", "model", "105,697")
    assert (first["scores"], first["won"], first["why"]) == ("31.25, 30", True, "least mean")
    assert (second["proposed_by"], second["won"]) == ("glo", False)
    assert finalists(ContestFiles(CANDIDATES, RUNGS[:2])) == []


def test_effects_come_best_first_beside_losses_relative_to_their_edge() -> None:
    normal, up, order = effects_by_edge(EFFECTS, PRUNING)
    assert [row["operation"] for row in normal["rows"]] == ["conv_3x3", "skip"]
    assert [row["loss"] for row in normal["rows"]] == ["+0.01", "−0.01"]  # losses 0.07 and 0.05: GLO prefers skip
    assert [row["clear"] for row in normal["rows"]] == [True, True]
    assert [row["width"] for row in normal["rows"]] == [25.0, 25.0]  # of a half width of 8.0
    assert [row["clear"] for row in up["rows"]] == [False, False]
    assert order["slot"] == "order within a stage"
    assert [row["loss"] for row in up["rows"] + order["rows"]] == [""] * 4


def test_alpha_is_never_shown_as_a_loss() -> None:
    by_alpha = {"rule": "paper", "decided_by": "α", "values": PRUNING["values"]}
    assert {row["loss"] for edge in effects_by_edge(EFFECTS, by_alpha) for row in edge["rows"]} == {""}


def test_losses_of_a_search_in_the_other_order_do_not_stand_beside_effects() -> None:
    """The same name is another edge there: `N1.1->N1.2` is the second normal edge of one, the first of the other."""
    for order, shown in (("normal-up", {"", "+0.01", "−0.01"}), ("up-normal", {""})):
        section = contest_section(ContestFiles(CANDIDATES, RUNGS, EFFECTS), PRUNING, order)
        assert section is not None
        assert {row["loss"] for edge in section["effects"] for row in edge["rows"]} == shown


def test_the_page_shows_the_contest_of_a_run(tmp_path: Path) -> None:
    page = write_report([contest_run(tmp_path / "run")], tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ('id="contest"', "2 candidates", "not told apart", "least mean", "up-normal/nearest", "6.1"):
        assert words in page
    assert "Not finished" not in page


def test_an_unfinished_contest_says_so(tmp_path: Path) -> None:
    run = contest_run(tmp_path / "run")
    write_json(run / "contest" / "rungs.json", RUNGS[:1])
    (run / "contest" / "verdict.json").unlink()
    section = contest_section(collect_run(run).contest, {}, "")
    assert section is not None
    assert section["state"] == "Not finished: 1 of 3 rungs are decided."
    assert "1 of 3 rungs" in write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_run_without_a_contest_has_no_section(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    assert contest_section(collect_run(run).contest, {}, "") is None
    assert 'id="contest"' not in write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("foreign", [[], {}, 7, None, "x", [[1]], [{"standings": 3, "added": 5}], {"effects": [1]}])
@pytest.mark.parametrize("name", ["candidates", "rungs", "effects", "verdict"])
def test_foreign_files_give_a_page(name: str, foreign: Any, tmp_path: Path) -> None:
    run = contest_run(tmp_path / "run")
    (run / "contest" / f"{name}.json").write_text(json.dumps(foreign), encoding="utf-8")
    write_report([run], tmp_path / "report.html")
