"""The finished trials of the rank correlation as numbers, a table and two pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.runtime.json_files import write_json
from degas_lab.figures import COLOURS, GREY, markdown, saved_figure, size_axis, write_text
from degas_lab.trainings.rank_correlation import ADVERSARIAL, ALL_PREDICTORS, PROXY
from degas_lab.trainings.rank_statistics import correlation, reliability, seed_means
from degas_lab.trials import TrialRecords

Lookup = dict[tuple[str, int], float]  # (architecture, seed) → a number (lower is better)
COSTS = {"parameters": "num_parameters", "multiply-adds": "multiply_adds"}  # the trivial predictors: more is better
SCOPES = {"equal": "equal size", "any": "spread over all sizes", "all": "both together"}
METRICS = ("kid", "fid")


def summarise(records: TrialRecords, metric: str = "kid", mark: int = -1) -> dict[str, Any]:
    """τ of every predictor with the adversarial score at a mark, the agreement between seeds, and counts of trials.

    `mark`: its index among the marks of a training, from the end if negative. Keys: `metric`; `steps` of the mark;
    `finished` (trials by part); `diverged` (their names); `scopes`: for `equal`, `any` and `all` the `reliability` of
    the score, `reliability_by_steps` at each mark, and `predictors`: name → `tau`, `low`, `high`, `num_architectures`
    (None for too few) and the predictor's own `reliability`.
    """
    parts = (ADVERSARIAL, *ALL_PREDICTORS)
    groups = {record["architecture"]: record["group"] for record in records.values()}
    score = part_values(records, ADVERSARIAL, metric, mark)
    predicted = all_predictors(records, metric)
    marks = _marks(records)
    scopes = {}
    for scope in SCOPES:
        names = sorted(name for name, group in groups.items() if scope in ("all", group))
        scopes[scope] = {
            "reliability": reliability(score, names),
            "reliability_by_steps": _by_steps(records, metric, names),
            "predictors": {name: _row(values, score, names) for name, values in predicted.items()},
        }
    return {
        "metric": metric,
        "steps": marks[mark] if marks else None,
        "finished": {part: sum(record["part"] == part for record in records.values()) for part in parts},
        "diverged": sorted(name for name, record in records.items() if record["value"] is None),
        "scopes": scopes,
    }


def part_values(records: TrialRecords, part: str, metric: str, mark: int = -1) -> Lookup:
    """Return the values of a part: for trainings the metric at a mark (from the end if negative), else the loss."""
    found: Lookup = {}
    for record in records.values():
        if record["part"] == part and record["value"] is not None:
            trained = "history" in record
            value = record["history"][mark][metric] if trained else record["value"]
            found[record["architecture"], record["seed"]] = float(value)
    return found


def all_predictors(records: TrialRecords, metric: str) -> dict[str, Lookup]:
    """Every predictor (lower is better): parameters and multiply-adds have a minus sign."""
    found = {part: part_values(records, part, metric) for part in ALL_PREDICTORS}
    for name, key in COSTS.items():
        found[name] = {(record["architecture"], 0): -float(record[key]) for record in records.values()}
    return found


def write_summary(records: TrialRecords, folder: Path, metric: str = "kid", mark: int = -1) -> dict[str, Any]:
    """Write `summary.json`, `table.md`, `tau.png` and `scatter.png`; return the summary by `metric` at `mark`."""
    summary = summarise(records, metric, mark)
    other = METRICS[1 - METRICS.index(metric)]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", {metric: summary, other: summarise(records, other, mark)})
    write_text(folder / "table.md", format_table(summary))
    draw_taus(summary, folder / "tau.png")
    draw_scatter(records, summary, folder / "scatter.png", mark)
    return summary


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per predictor: τ and its 95 % interval in each scope; the last line is the score's own reliability."""
    head = ["predictor", *(f"τ, {words}" for words in SCOPES.values()), "between its own seeds"]
    rows = []
    for name in summary["scopes"]["all"]["predictors"]:
        entries = [summary["scopes"][scope]["predictors"][name] for scope in SCOPES]
        own = entries[-1]["reliability"]
        rows.append([name, *(_cell(entry["correlation"]) for entry in entries), _cell(own)])
    own = [_cell(summary["scopes"][scope]["reliability"]) for scope in SCOPES]
    steps = f" after {summary['steps']} steps" if summary["steps"] else ""
    rows.append([f"the {summary['metric'].upper()}{steps} itself, other seed", *own, ""])
    return markdown(head, rows)


def draw_taus(summary: Mapping[str, Any], path: Path) -> None:
    """Draw one panel per scope: τ and interval of each predictor, with a band for two seeds of the score itself."""
    names = list(summary["scopes"]["all"]["predictors"])
    with saved_figure(path, (10.0, 0.5 + 0.4 * len(names)), columns=len(SCOPES)) as axes:
        for one, (scope, words) in zip(axes[0], SCOPES.items(), strict=True):
            entry = summary["scopes"][scope]
            own = entry["reliability"]
            if own:
                one.axvspan(own["low"], own["high"], color="#eeeeee", zorder=0)
                one.axvline(own["tau"], color=GREY, linestyle="--", linewidth=1)
            for place, name in enumerate(names):
                found = entry["predictors"][name]["correlation"]
                if found:
                    one.plot([found["low"], found["high"]], [place, place], color=COLOURS[0], linewidth=1.6)
                    one.plot([found["tau"]], [place], "o", color=COLOURS[0], markersize=5)
            one.axvline(0, color="black", linewidth=0.8)
            one.set(title=words, xlim=(-1.05, 1.05), ylim=(len(names) - 0.5, -0.5), xlabel="Kendall's τ")
            one.set_yticks(range(len(names)), names if scope == "equal" else [""] * len(names))


def draw_scatter(records: TrialRecords, summary: Mapping[str, Any], path: Path, mark: int = -1) -> None:
    """Draw one panel per predictor: its mean over seeds against the score's mean, with a colour for each group."""
    metric = summary["metric"]
    groups = {record["architecture"]: record["group"] for record in records.values()}
    score = seed_means(part_values(records, ADVERSARIAL, metric, mark), list(groups))
    predicted = all_predictors(records, metric)
    columns = math.ceil(len(predicted) / 2)
    with saved_figure(path, (3.0 * columns, 5.6), columns=columns, rows=2) as axes:
        for one, (name, values) in zip(axes.flat, predicted.items(), strict=False):
            means = seed_means(values, list(groups))
            shown = [abs(means[k]) if name in COSTS else means[k] for k in means if k in score]
            for colour, group in zip(COLOURS, ("equal", "any"), strict=False):
                mine = [k for k in means if k in score and groups[k] == group]
                signed = [abs(means[k]) if name in COSTS else means[k] for k in mine]
                one.plot(signed, [score[k] for k in mine], "o", color=colour, markersize=4, label=SCOPES[group])
            found = summary["scopes"]["all"]["predictors"][name]["correlation"]
            title = name if name != PROXY else f"{name} {metric.upper()}"
            one.set(xlabel=title, title=f"τ {found['tau']:.2f}".replace("-", "−") if found else "")
            if name in COSTS and shown:
                size_axis(one, shown)
        for one in list(axes.flat)[len(predicted) :]:
            one.set_axis_off()
        for row in axes:
            row[0].set_ylabel(metric.upper())
        axes[0, 0].legend(frameon=False, fontsize=7)


def _row(values: Lookup, score: Lookup, names: Sequence[str]) -> dict[str, Any]:
    means = seed_means(values, names), seed_means(score, names)
    return {"correlation": correlation(*means), "reliability": reliability(values, names)}


def _by_steps(records: TrialRecords, metric: str, names: Sequence[str]) -> dict[str, Any]:
    """Steps of a mark → agreement of two seeds: it shows how long a training must be for seeds to rank equally."""
    return {
        str(steps): reliability(part_values(records, ADVERSARIAL, metric, k), names)
        for k, steps in enumerate(_marks(records))
    }


def _marks(records: TrialRecords) -> list[int]:
    """The steps of the marks of a training."""
    trained = [r for r in records.values() if r["part"] == ADVERSARIAL and r["value"] is not None]
    return [entry["steps"] for entry in trained[0]["history"]] if trained else []


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    return f"{entry['tau']:.2f} ({entry['low']:.2f} to {entry['high']:.2f}; {entry['num_architectures']})"
