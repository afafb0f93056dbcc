"""Table and picture of the comparison of other ways to search, from its finished trials."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas_lab.figures import COLOURS, markdown, saved_figure
from degas_lab.fits.row_summary import against, difference_in_words, seeds_in_words, seeds_of, write_rows
from degas_lab.fits.variant_plan import CHANGES, DEFAULT
from degas_lab.trials import TrialRecords

HEAD = (
    *("search", "epochs", "multiply-adds of a step", "held MiB", "ms a step", "seeds", "equal decisions"),
    *("parameters", "loss", "against the default"),
)
MEANS = ("loss", "num_parameters", "step_multiply_adds", "held_mib")


def write_summary(records: TrialRecords, folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `losses.png`; return the summary."""
    return write_rows(folder, [describe(name, records) for name in CHANGES], format_table, draw)


def describe(row: str, records: TrialRecords) -> dict[str, Any] | None:
    """A row at the default's cost, with means over its finished seeds; None without any."""
    at_cost = {name: record for name, record in records.items() if record["budget"] == "cost"}
    own = [record for record in at_cost.values() if record["row"] == row]
    done = [record for record in own if "failed" not in record]
    if not done:
        return None
    first = [record for record in records.values() if record["row"] == row and record["budget"] == "epochs"]
    return {
        "row": row,
        "num_epochs": done[0]["num_epochs"],
        **seeds_of(own, MEANS, "step_seconds"),
        "loss_at_equal_epochs": next((record.get("loss") for record in first), None),
        "equal_decisions": equal_decisions([record["choices"] for record in done]),
        "num_decisions": len(done[0]["choices"]),
        "against_default": against(row, DEFAULT, at_cost),
    }


def equal_decisions(found: Sequence[Mapping[str, str]]) -> float | None:
    """The mean number of equal decisions over all pairs of seeds; None for one seed."""
    pairs = [sum(one[name] == other[name] for name in one) for one, other in itertools.combinations(found, 2)]
    return statistics.fmean(pairs) if pairs else None


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per row; costs of a step are shares of the default's."""
    default = next((one for one in summary["rows"] if one["row"] == DEFAULT), None)
    rows = []
    for one in summary["rows"]:
        share = one["step_multiply_adds"] / default["step_multiply_adds"] if default else None
        agreed = one["equal_decisions"]
        rows.append(
            [
                *(
                    one["row"],
                    f"{one['num_epochs']}",
                    "" if share is None else f"{share:.2f}",
                    f"{one['held_mib']:.1f}",
                ),
                "" if one["step_seconds"] is None else f"{1000 * one['step_seconds']:.0f}",
                seeds_in_words(one),
                "" if agreed is None else f"{agreed:.1f} of {one['num_decisions']}",
                *(f"{one['num_parameters']:,.0f}", f"{one['loss']:.4f}"),
                difference_in_words(one["against_default"]),
            ]
        )
    return markdown(HEAD, rows)


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the losses of each row: a dot per seed, a bar for the mean."""
    with saved_figure(path, (6.4, 3.6)) as axes:
        one = axes[0, 0]
        for place, row in enumerate(summary["rows"]):
            losses = row["losses"]
            one.plot([place] * len(losses), losses, ".", color=COLOURS[0])
            one.plot([place - 0.3, place + 0.3], [row["loss"]] * 2, "-", color=COLOURS[1])
        one.set_xticks(range(len(summary["rows"])), [row["row"] for row in summary["rows"]], rotation=30, ha="right")
        one.set(ylabel="GLO loss of the found architecture")
