"""Table and picture of the comparison of a grown search with the search at once, from its finished trials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas_lab.figures import COLOURS, markdown, saved_figure
from degas_lab.fits.grown_plan import AT_ONCE, ROWS
from degas_lab.fits.row_summary import against, difference_in_words, seeds_in_words, seeds_of, write_rows
from degas_lab.trials import TrialRecords

HEAD = (
    *("search", "seeds", "multiply-adds", "held MiB", "processor seconds", "parameters", "loss"),
    "against the search at once",
)
MEANS = ("loss", "num_parameters", "search_multiply_adds", "held_mib")


def write_summary(records: TrialRecords, folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `losses.png`; return the summary."""
    return write_rows(folder, [describe(name, records) for name in ROWS], format_table, draw)


def describe(row: str, records: TrialRecords) -> dict[str, Any] | None:
    """A row, with means over its finished seeds; None without any."""
    own = [record for record in records.values() if record["row"] == row]
    if all("failed" in record for record in own):
        return None
    return {"row": row, **seeds_of(own, MEANS, "search_seconds"), "against_at_once": against(row, AT_ONCE, records)}


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per row; multiply-adds, memory and time of the search also as shares of the search at once."""
    whole = next((one for one in summary["rows"] if one["row"] == AT_ONCE), None)
    rows = []
    for one in summary["rows"]:
        rows.append(
            [
                one["row"],
                seeds_in_words(one),
                _with_share(one, whole, "search_multiply_adds", "{:.3g}"),
                _with_share(one, whole, "held_mib", "{:.1f}"),
                _with_share(one, whole, "search_seconds", "{:.0f}"),
                *(f"{one['num_parameters']:,.0f}", f"{one['loss']:.4f}"),
                difference_in_words(one["against_at_once"]),
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
