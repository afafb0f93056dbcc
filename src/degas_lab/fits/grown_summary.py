"""Table and picture of the comparison of a grown search with the search at once, from its finished trials."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas.runtime.json_files import write_json
from degas_lab.figures import COLOURS, markdown, saved_figure, write_text
from degas_lab.fits.grown_plan import AT_ONCE, ROWS
from degas_lab.paired import Difference, by_seed, paired_difference
from degas_lab.trials import TrialRecords

HEAD = (
    *("search", "seeds", "multiply-adds", "held MiB", "processor seconds", "parameters", "loss"),
    "against the search at once",
)
MEANS = ("loss", "num_parameters", "search_multiply_adds", "held_mib")


def write_summary(records: TrialRecords, folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `losses.png`; return the summary."""
    summary = {"rows": [one for name in ROWS if (one := describe(name, records)) is not None]}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    draw(summary, folder / "losses.png")
    return summary


def describe(row: str, records: TrialRecords) -> dict[str, Any] | None:
    """A row, with means over its finished seeds; None without any."""
    own = [record for record in records.values() if record["row"] == row]
    done = [record for record in own if "failed" not in record]
    if not done:
        return None
    losses = [(one["row"], one["seed"], one["loss"]) for one in records.values() if "loss" in one]
    table = by_seed(losses)
    against = paired_difference(table[row], table.get(AT_ONCE, {})) if row != AT_ONCE else None
    times = [record["search_seconds"] for record in done if record["search_seconds"] is not None]
    return {
        "row": row,
        "num_seeds": len(done),
        "num_failed": len(own) - len(done),
        **{name: statistics.fmean(record[name] for record in done) for name in MEANS},
        "search_seconds": statistics.fmean(times) if times else None,
        "losses": [record["loss"] for record in done],
        "against_at_once": None if against is None else vars(against),
    }


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per row; multiply-adds, memory and time of the search also as shares of the search at once."""
    whole = next((one for one in summary["rows"] if one["row"] == AT_ONCE), None)
    rows = []
    for one in summary["rows"]:
        against = one["against_at_once"]
        rows.append(
            [
                one["row"],
                f"{one['num_seeds']}" + (f" ({one['num_failed']} failed)" if one["num_failed"] else ""),
                _with_share(one, whole, "search_multiply_adds", "{:.3g}"),
                _with_share(one, whole, "held_mib", "{:.1f}"),
                _with_share(one, whole, "search_seconds", "{:.0f}"),
                *(f"{one['num_parameters']:,.0f}", f"{one['loss']:.4f}"),
                "" if against is None else Difference(**against).in_words(4),
            ]
        )
    return markdown(HEAD, rows)


def _with_share(one: Mapping[str, Any], whole: Mapping[str, Any] | None, name: str, form: str) -> str:
    value, of = one[name], None if whole is None else whole[name]
    if value is None:
        return ""
    return form.format(value) + (f" ({100 * value / of:.0f} %)" if of and one is not whole else "")


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the loss of each architecture against the multiply-adds of its search, one colour per row."""
    with saved_figure(path, (6.0, 3.6)) as axes:
        one = axes[0, 0]
        for number, row in enumerate(summary["rows"]):
            colour, cost = COLOURS[number % len(COLOURS)], row["search_multiply_adds"]
            one.plot([cost] * len(row["losses"]), row["losses"], ".", color=colour)
            one.plot([cost], [row["loss"]], "s", color=colour, markersize=6, label=row["row"])
        one.set(xlabel="multiply-adds of the search", ylabel="GLO loss of what it found")
        if summary["rows"]:
            one.legend(frameon=False)
