"""Table and picture of the comparison of other ways to search, from its finished trials."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.runtime.json_files import write_json
from degas_lab.figures import COLOURS, markdown, saved_figure, write_text
from degas_lab.fits.variant_plan import CHANGES, DEFAULT
from degas_lab.paired import Difference, by_seed, paired_difference
from degas_lab.trials import TrialRecords

HEAD = (
    *("search", "epochs", "multiply-adds of a step", "held MiB", "ms a step", "seeds", "equal decisions"),
    *("parameters", "loss", "against the default"),
)


def write_summary(records: TrialRecords, folder: Path) -> dict[str, Any]:
    """Write `summary.json`, `table.md` and `losses.png`; return the summary."""
    summary = {"rows": [one for name in CHANGES if (one := describe(name, records)) is not None]}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    draw(summary, folder / "losses.png")
    return summary


def describe(row: str, records: TrialRecords) -> dict[str, Any] | None:
    """A row at the default's cost, with means over its finished seeds; None without any."""
    own = [record for record in records.values() if record["row"] == row and record["budget"] == "cost"]
    done = [record for record in own if "failed" not in record]
    if not done:
        return None
    first = [record for record in records.values() if record["row"] == row and record["budget"] == "epochs"]
    table = by_seed([(one["row"], one["seed"], one["loss"]) for one in _at_equal_cost(records)])
    against = paired_difference(table[row], table.get(DEFAULT, {})) if row != DEFAULT else None
    means = ("loss", "num_parameters", "step_multiply_adds", "held_mib")
    times = [record["step_seconds"] for record in done if record["step_seconds"] is not None]
    return {
        "row": row,
        "num_epochs": done[0]["num_epochs"],
        "num_seeds": len(done),
        "num_failed": len(own) - len(done),
        **{name: statistics.fmean(record[name] for record in done) for name in means},
        "step_seconds": statistics.fmean(times) if times else None,
        "losses": [record["loss"] for record in done],
        "loss_at_equal_epochs": next((record.get("loss") for record in first), None),
        "equal_decisions": equal_decisions([record["choices"] for record in done]),
        "num_decisions": len(done[0]["choices"]),
        "against_default": None if against is None else vars(against),
    }


def _at_equal_cost(records: TrialRecords) -> list[Mapping[str, Any]]:
    return [one for one in records.values() if one["budget"] == "cost" and "failed" not in one]


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
        against = one["against_default"]
        rows.append(
            [
                *(
                    one["row"],
                    f"{one['num_epochs']}",
                    "" if share is None else f"{share:.2f}",
                    f"{one['held_mib']:.1f}",
                ),
                "" if one["step_seconds"] is None else f"{1000 * one['step_seconds']:.0f}",
                f"{one['num_seeds']}" + (f" ({one['num_failed']} failed)" if one["num_failed"] else ""),
                "" if agreed is None else f"{agreed:.1f} of {one['num_decisions']}",
                *(f"{one['num_parameters']:,.0f}", f"{one['loss']:.4f}"),
                "" if against is None else Difference(**against).in_words(4),
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
