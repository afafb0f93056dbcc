"""The summary of `hand_made`: one line per row, paired with the reference row, and the noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from degas.errors import UserError, nearest
from degas.runtime.json_files import write_json
from degas_lab.figures import markdown, write_text
from degas_lab.paired import Components, Table, by_seed, paired_difference, variance_components
from degas_lab.trials import TrialRecords

WORTH_SEEING = 3.0  # difference of the Fréchet distance for which the number of seeds is reported
SHOWN = {"fid": ("Fréchet distance", 1.0), "kid": ("KID·1000", 1000.0)}  # score → its name in tables, and its factor
# Ways to reduce a training's scores to one number, by their names in tables.
READINGS: dict[str, Callable[[list[float]], float]] = {
    "last mark": lambda values: values[-1],
    "mean of the marks": statistics.fmean,
}


def score_table(records: TrialRecords, score: str, reading: str = "last mark") -> Table:
    """Row → seed → score of the trainings that did not diverge, in the units of `SHOWN`."""
    factor, read = SHOWN[score][1], READINGS[reading]
    return by_seed(
        [
            (record["row"], record["seed"], factor * read([mark[score] for mark in record["history"]]))
            for record in records.values()
            if "failed" not in record
        ]
    )


def summarise(records: TrialRecords, *, against: str, score: str) -> dict[str, Any]:
    """`rows` (best mean difference first), and `components` of each reading of the scores."""
    table = score_table(records, score)
    if against not in table:
        raise UserError(f"--against: no finished trial of a row {against!r}{nearest(against, table)}")
    rows = [_row(name, records, table, against) for name in table]
    readings = {name: variance_components(score_table(records, score, name)) for name in READINGS}
    return {
        "score": score,
        "against": against,
        "rows": sorted(rows, key=lambda row: row["paired"]["difference"] if row["paired"] else float("inf")),
        "components": {name: _described(found) for name, found in readings.items() if found is not None},
    }


def write_summary(records: TrialRecords, folder: Path, *, against: str, score: str) -> dict[str, Any]:
    """Write `summary.json` and `table.md` in `folder`; return the summary."""
    summary = summarise(records, against=against, score=score)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    return summary


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per row, and the components of the noise."""
    name = SHOWN[summary["score"]][0]
    head = ["generator", "parameters", "seeds", f"{name}, mean", f"minus {summary['against']}", "95 %", "", "core s"]
    lines = markdown(head, [_cells(row) for row in summary["rows"]])
    noise = [_noise_words(reading, found) for reading, found in summary["components"].items()]
    return lines + ("\n" + "\n".join(noise) + "\n" if noise else "")


def _row(name: str, records: TrialRecords, table: Table, against: str) -> dict[str, Any]:
    mine = [record for record in records.values() if record["row"] == name]
    paired = None if name == against else paired_difference(table[name], table[against])
    return {
        "row": name,
        "num_parameters": mine[0]["num_parameters"],
        "scores": {str(seed): value for seed, value in sorted(table[name].items())},
        "mean": statistics.fmean(table[name].values()),
        "num_diverged": sum("failed" in record for record in mine),
        "processor_seconds": statistics.median(record["processor_seconds"] for record in mine),
        "paired": paired and {**asdict(paired), "words": paired.words},
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    diverged = f" ({row['num_diverged']} diverged)" if row["num_diverged"] else ""
    cells = [f"`{row['row']}`", f"{row['num_parameters']:,}", f"{len(row['scores'])}{diverged}", f"{row['mean']:.1f}"]
    paired = row["paired"]
    if paired is None:
        return [*cells, "", "", "", f"{row['processor_seconds']:.0f}"]
    interval = "–" if paired["low"] is None else f"{_signed(paired['low'])} to {_signed(paired['high'])}"
    return [*cells, _signed(paired["difference"]), interval, paired["words"], f"{row['processor_seconds']:.0f}"]


def _described(found: Components) -> dict[str, Any]:
    return {**asdict(found), "seeds_for_3": found.seeds_for(WORTH_SEEING), "seeds_for_6": found.seeds_for(6.0)}


def _noise_words(reading: str, found: Mapping[str, Any]) -> str:
    return (
        f"Standard deviations ({reading}; {found['num_rows']} rows × {found['num_seeds']} seeds): common seed "
        f"{found['seed']:.1f}, generator {found['row']:.1f}, their product and chance {found['rest']:.1f}. A true "
        f"difference of 3 is detected with {found['seeds_for_3']} common seeds in four of five cases, one of 6 with "
        f"{found['seeds_for_6']}."
    )


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
