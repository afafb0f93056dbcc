"""The summary of `local_optimum`: neighbours paired with the found architecture, and the supernet's ranking."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.nas.results.agreement import kendall_tau
from degas.runtime.json_files import write_json
from degas.space.neighbours import option_values
from degas_lab.figures import markdown, write_text
from degas_lab.fits.local_optimum import FOUND, LocalOptimum
from degas_lab.paired import Table, by_seed, paired_difference
from degas_lab.trials import TrialRecords

DIGITS = 4  # of a loss
LEFT_AT_CHANCE = 0.025  # share of equally good neighbours that a 95 % interval calls better by chance


def summarise(
    records: TrialRecords, chosen: Mapping[str, str], estimated: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """`rows` (the best first), `counts` of each verdict, `found`, and `tau` per decision and their mean.

    Args:
        records: the trials.
        chosen: decision → the found architecture's option.
        estimated: decision → option → the search's value (larger is better); may be empty.
    """
    table = by_seed([(_key(one), one["seed"], one["loss"]) for one in records.values() if one["loss"] is not None])
    found = table.get(FOUND)
    if found is None:
        raise UserError("local-optimum: no finished fit of the found architecture; call it without --summary first")
    kinds = {_key(one): (one["decision"], one["option"]) for one in records.values()}
    paired = [_row(*kinds[name], table[name], found) for name in table if name != FOUND]
    rows = sorted((row for row in paired if row is not None), key=lambda row: row["difference"])
    taus = _taus(table, chosen, estimated)
    return {
        "found": {"losses": {str(seed): loss for seed, loss in sorted(found.items())}, "choices": dict(chosen)},
        "counts": {v: sum(row["verdict"] == v for row in rows) for v in ("better", "not told apart", "worse")},
        "num_diverged": sum(one["loss"] is None for one in records.values()),
        "tau": taus,
        "mean_tau": statistics.fmean(taus.values()) if taus else None,
        "rows": rows,
    }


def write_summary(measurement: LocalOptimum, folder: Path, pruning: Mapping[str, Any] | None) -> dict[str, Any]:
    """`summary.json` and `table.md`, from the finished trials and the search's pruning.json, if there is one."""
    space = measurement.space
    known = pruning is not None and all(
        set(pruning["values"].get(s.name, ())) == set(space.operations(s)) for s in space.slots
    )
    estimated = option_values(pruning["values"], space, pruning["compare"]) if pruning is not None and known else {}
    summary = summarise(measurement.trials.records(), measurement.chosen, estimated)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    return summary


def read_pruning(architecture: Path) -> dict[str, Any] | None:
    """pruning.json next to an architecture file, if it says what its search compared."""
    path = architecture.parent / "pruning.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        return found if {"values", "compare"} <= set(found) else None
    except (ValueError, TypeError):
        raise UserError(f"{path}: cannot be read as a JSON object; move it away, or search again") from None


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per neighbour, best first, and the sentences."""
    head = ("decision", "found", "instead", "seeds", "loss", "minus the found one's", "95 %", "")
    chosen = summary["found"]["choices"]
    rows = [_cells(row, chosen[row["decision"]]) for row in summary["rows"]]
    lines = [line for line in (in_words(summary), tau_in_words(summary)) if line]
    return markdown(head, rows, numbers_from=3) + "\n" + "\n".join(lines) + "\n"


def in_words(summary: Mapping[str, Any]) -> str:
    """The answer in one to three sentences."""
    counts, rows, losses = summary["counts"], summary["rows"], list(summary["found"]["losses"].values())
    mean = f"Found: {statistics.fmean(losses):.{DIGITS}f} (seeds: {len(losses)})."
    if len(losses) < 2:
        return f"{mean} One seed has no intervals; give two or more."
    told = f"{counts['not told apart']} not told apart, {counts['worse']} worse"
    if not counts["better"]:
        return f"{mean} No neighbour of {len(rows)} is better ({told}): a local optimum, as far as these fits tell."
    best = next(row for row in rows if row["verdict"] == "better")
    chance = f"{LEFT_AT_CHANCE * len(rows):.1f} by chance if all were equal"
    return (
        f"{mean} No local optimum: of {len(rows)} neighbours {counts['better']} are better ({chance}), {told}. "
        f"The best of these: {best['decision']} {best['option']}, {best['words']}."
    )


def tau_in_words(summary: Mapping[str, Any]) -> str:
    """A sentence on the supernet's ranking of the options of each decision; empty if it is not known."""
    if not summary["tau"]:
        return ""
    each = ", ".join(f"{decision} {_signed(tau, 2)}" for decision, tau in summary["tau"].items())
    mean = _signed(summary["mean_tau"], 2)
    return f"Kendall's τ between the rankings of options by the search and by the fits: {mean} (mean; {each})."


def _key(record: Mapping[str, Any]) -> str:
    return FOUND if record["decision"] == FOUND else f"{record['decision']}: {record['option']}"


def _row(decision: str, option: str, scores: Mapping[int, float], found: Mapping[int, float]) -> dict[str, Any] | None:
    paired = paired_difference(scores, found)
    if paired is None:
        return None
    losses = {str(seed): loss for seed, loss in sorted(scores.items())}
    words = {"words": paired.in_words(DIGITS)}
    return {"decision": decision, "option": option, "losses": losses, **asdict(paired), **words}


def _taus(table: Table, chosen: Mapping[str, str], estimated: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Decision → Kendall's τ between the search's ranking and that of mean losses, over seeds that all options have."""
    found = {}
    for decision, values in estimated.items():
        names = {option: FOUND if chosen[decision] == option else f"{decision}: {option}" for option in values}
        fitted = [option for option in values if names[option] in table]
        seeds = set.intersection(*(set(table[names[option]]) for option in fitted)) if fitted else set()
        if len(fitted) > 1 and seeds:
            losses = [statistics.fmean(table[names[option]][seed] for seed in seeds) for option in fitted]
            tau = kendall_tau([-values[option] for option in fitted], losses)
            found[decision] = 0.0 if math.isnan(tau) else tau
    return found


def _cells(row: Mapping[str, Any], chosen: str) -> Sequence[str]:
    interval = "–" if row["low"] is None else f"{_signed(row['low'])} to {_signed(row['high'])}"
    mean = f"{statistics.fmean(row['losses'].values()):.{DIGITS}f}"
    difference = _signed(row["difference"])
    return (
        row["decision"],
        f"`{chosen}`",
        f"`{row['option']}`",
        f"{row['num_seeds']}",
        mean,
        difference,
        interval,
        row["words"],
    )


def _signed(value: float, digits: int = DIGITS) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
