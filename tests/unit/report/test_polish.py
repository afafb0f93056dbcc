"""The table of a polish: what moved, beside the found one's loss; foreign records are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.report.decisions import decisions_of
from degas.report.polish import moved_choices, polish_files, polish_tables
from degas.report.render import write_report
from degas.runtime.json_files import write_json

MOVE = {"decision": "N1 direct", "before": "skip", "after": "conv_3x3"}
LOSSES = {"losses": {"0": 0.5, "1": 0.6, "2": None}}
ROW = {**MOVE, "losses": {"0": 0.4, "1": 0.45, "2": 0.4}, "differences": {"0": -0.1, "1": -0.15, "2": None}}
OTHER = {"decision": "U1 direct", "before": "a", "after": "b", "losses": {"0": None}, "differences": {"0": None}}
RECORD = {"num_fits": 7, "num_neighbours": 20, "found": LOSSES, "neighbours": [ROW, OTHER], "best": MOVE}


def test_a_row_has_the_losses_beside_the_found_ones() -> None:
    (table,) = polish_tables([("search", {**RECORD, "moved": {**MOVE, "difference": -0.15}})])
    assert table["found"] == "0.5000, 0.6000, diverged"
    assert table["rows"][0] == {**MOVE, "losses": "0.4000, 0.4500, 0.4000", "differences": "−0.1000, −0.1500, —"}
    assert (table["rows"][1]["losses"], table["rows"][1]["differences"]) == ("diverged", "—")
    assert table["words"].startswith(
        "7 fits alone, of the found architecture and 2 of 20 neighbours: moved to N1 direct"
    )
    assert "lower by 0.1500 on average" in table["words"]


def test_the_report_has_the_option_to_which_a_decision_moved() -> None:
    decision = {"name": "N1 direct", "node": "N1", "choice": "skip", "runner_up": "conv_3x3", "margin": 0.1}
    pruning = {"rule": "alone", "decided_by": "the loss", "decisions": [decision]}
    (before,), (after,) = decisions_of(pruning), decisions_of(pruning, moved_choices([{"moved": MOVE}, {}]))
    assert (before.choice, before.margin) == ("skip", 0.1)
    assert (after.choice, after.margin) == ("conv_3x3", None)


@pytest.mark.parametrize(
    "foreign", [[], {"num_fits": "x"}, {"num_fits": 1, "neighbours": [3, {}]}, {**RECORD, "moved": 3, "found": 4}, "{"]
)
def test_a_foreign_record_is_no_error(foreign: object, tmp_path: Path) -> None:
    folder = tmp_path / "search"
    folder.mkdir()
    write_json(folder / "config.json", {"kind": "search"})
    write_json(folder / "polish.json", foreign)
    assert polish_files(folder) == [folder / "polish.json"]
    assert write_report([tmp_path], tmp_path / "report.html").is_file()
