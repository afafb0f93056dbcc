"""What the tables of searches compared by rows and seeds share: means over finished seeds, cells, and the files."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.runtime.json_files import write_json
from degas_lab.figures import write_text
from degas_lab.paired import Difference, by_seed, paired_difference
from degas_lab.trials import TrialRecords

Row = Mapping[str, Any]  # of a summary


def write_rows(
    folder: Path,
    rows: Iterable[Row | None],
    format_table: Callable[[Mapping[str, Any]], str],
    draw: Callable[[Mapping[str, Any], Path], None],
) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `losses.png` of the rows that there are; return the summary."""
    summary = {"rows": [row for row in rows if row is not None]}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    draw(summary, folder / "losses.png")
    return summary


def seeds_of(own: Sequence[Row], means: Iterable[str], time: str) -> dict[str, Any]:
    """Numbers of finished and of failed seeds, means over the finished ones, and their losses.

    `time` names seconds that a record may lack (None): the mean of those that there are.
    """
    done = [record for record in own if "failed" not in record]
    times = [record[time] for record in done if record[time] is not None]
    return {
        "num_seeds": len(done),
        "num_failed": len(own) - len(done),
        **{name: statistics.fmean(record[name] for record in done) for name in means},
        time: statistics.fmean(times) if times else None,
        "losses": [record["loss"] for record in done],
    }


def against(row: str, reference: str, records: TrialRecords) -> dict[str, Any] | None:
    """The difference of the losses to those of the reference within seeds; None for the reference and without pairs."""
    table = by_seed([(one["row"], one["seed"], one["loss"]) for one in records.values() if "loss" in one])
    found = paired_difference(table[row], table.get(reference, {})) if row != reference else None
    return None if found is None else vars(found)


def seeds_in_words(row: Row) -> str:
    return f"{row['num_seeds']}" + (f" ({row['num_failed']} failed)" if row["num_failed"] else "")


def difference_in_words(difference: Mapping[str, Any] | None) -> str:
    return "" if difference is None else Difference(**difference).in_words(4)
