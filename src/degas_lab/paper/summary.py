"""A table of the paper from its trials: ours as mean and interval over seeds, beside the printed numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.report.paper import PaperRow
from degas.runtime.json_files import write_json
from degas_lab.figures import markdown, write_text
from degas_lab.paired import LEVEL, Difference, paired_difference, t_quantile
from degas_lab.paper.rows import TABLES, Row, only_printed, searches_of
from degas_lab.trials import TrialRecords

METRICS = ("is", "fid", "kid")
HEAD = (
    *("row", "seeds", "IS", "FID", "KID·1000", "FID against DEGAS"),
    *("parameters", "search", "training", "paper: IS", "paper: FID", "paper: search", "architecture"),
)
SEARCH_HEAD = ("search", "seed", "loss", "kept", "edges shared by two seeds")


def summarise(table: str, records: TrialRecords) -> dict[str, Any]:
    """`rows` in the table's order, `searches`, and `printed`, the paper's rows that have no row here."""
    rows = [_row(row, table, records) for row in TABLES[table]]
    return {
        "table": table,
        "level": LEVEL,
        "rows": rows,
        "searches": [_search(search.name, records) for search in searches_of(table)],
        "printed": [_printed(row) | {"row": row.what} for row in only_printed(table)],
    }


def write_summary(table: str, records: TrialRecords, folder: Path) -> str:
    """Write `table-N.json` and `table-N.md` in `folder`; return the Markdown."""
    summary = summarise(table, records)
    write_json(folder / f"table-{table}.json", summary)
    text = format_summary(summary)
    write_text(folder / f"table-{table}.md", text)
    return text


def mean_and_interval(values: Sequence[float]) -> dict[str, Any] | None:
    """`mean`, and `half`, half the width of the t interval over seeds; None for one seed. None without values."""
    if not values:
        return None
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return {"mean": mean, "half": None, "num_seeds": count}
    half = t_quantile(LEVEL, count - 1) * statistics.stdev(values) / math.sqrt(count)
    return {"mean": mean, "half": half, "num_seeds": count}


def _row(row: Row, table: str, records: TrialRecords) -> dict[str, Any]:
    mine = {r["seed"]: r for r in records.values() if r.get("row") == row.name and "failed" not in r}
    reference = TABLES[table][0].name
    theirs = {r["seed"]: r for r in records.values() if r.get("row") == reference and "failed" not in r}
    paired = None
    if row.name != reference and row.maker != "real":
        fid = [{seed: _score(r, "fid") for seed, r in found.items()} for found in (mine, theirs)]
        paired = paired_difference(*({seed: v for seed, v in one.items() if v is not None} for one in fid))
    printed = row.paper(table)
    searched = f"search-{row.search.name}-s" if row.search is not None and row.maker == "searched" else None
    searches = [r for name, r in records.items() if searched and name.startswith(searched) and "failed" not in r]
    return {
        "row": row.name,
        "seeds": sorted(mine),
        "diverged": sum(name.startswith(f"{row.name}-s") and "failed" in r for name, r in records.items()),
        "scores": {name: mean_and_interval(_values(mine, name)) for name in METRICS},
        "protocols": sorted({name for record in mine.values() for name in record["scores"]}),
        "against": None if paired is None else _difference(paired),
        "num_parameters": sorted({r["num_parameters"] for r in mine.values() if "num_parameters" in r}),
        "search": _cost(searches),
        "training": _cost([r for r in mine.values() if "seconds" in r]),
        "architecture": next((r["architecture"] for r in mine.values() if "architecture" in r), None),
        "paper": None if printed is None else _printed(printed),
    }


def _difference(paired: Difference) -> dict[str, Any]:
    """The mean difference within seeds with the ends of its interval, None for one seed, and the verdict in words."""
    return {"difference": paired.difference, "low": paired.low, "high": paired.high, "verdict": paired.words}


def _search(name: str, records: TrialRecords) -> dict[str, Any]:
    found = [r for key, r in records.items() if key.startswith(f"search-{name}-s") and "failed" not in r]
    facts = [{"seed": r["seed"], "loss": r["loss"], "nodes": r["nodes"]} for r in found]
    equal = [_equal_edges(a["nodes"], b["nodes"]) for k, a in enumerate(found) for b in found[:k]]
    return {"search": name, "found": facts, "shared_edges": statistics.fmean(equal) if equal else None}


def _equal_edges(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """The number of edges with the same operation in both."""

    def edges(nodes: Mapping[str, Any]) -> set[tuple[str, str, str]]:
        return {(edge["from"], node, edge["operation"]) for node, kept in nodes.items() for edge in kept}

    return len(edges(one) & edges(other))


def _score(record: Mapping[str, Any], metric: str) -> float | None:
    """The record's score of this metric, whatever its protocol; None without one."""
    for name, entry in record["scores"].items():
        if name.partition("_")[0] == metric:
            return float(entry["value"])
    return None


def _values(records: Mapping[int, Mapping[str, Any]], metric: str) -> list[float]:
    found = [_score(record, metric) for record in records.values()]
    return [value for value in found if value is not None]


def _cost(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Mean seconds of a stage, on what."""
    if not records:
        return None
    threads = {(record["device"], record["num_threads"]) for record in records}
    device, cores = threads.pop() if len(threads) == 1 else ("several machines", 1)
    return {"seconds": statistics.fmean(r["seconds"] for r in records), "device": device, "num_threads": cores}


def _printed(row: PaperRow) -> dict[str, Any]:
    return {"is": row.inception_score, "fid": row.fid, "search_gpu_days": row.search_gpu_days, "note": row.word}


# ------------------------------------------------------------------------------------------ Markdown


def format_summary(summary: Mapping[str, Any]) -> str:
    """The rows, the paper's other rows, and the searches with what their seeds share."""
    rows = [_cells(row) for row in summary["rows"]]
    rows += [
        [f"({row['row']})", *[""] * 8, row["is"] or "", row["fid"] or "", _days(row), ""] for row in summary["printed"]
    ]
    parts = [markdown(HEAD, rows)] if rows else []
    if any(one["found"] for one in summary["searches"]):
        parts.append(markdown(SEARCH_HEAD, search_cells(summary)))
    protocols = sorted({name for row in summary["rows"] for name in row["protocols"]})
    if protocols:
        parts.append(
            f"Protocols: {', '.join(protocols)}. Means ± half of the {summary['level']:.0%} interval over seeds.\n"
        )
    return "\n".join(parts)


def _cells(row: Mapping[str, Any]) -> list[str]:
    paper = row["paper"] or {"is": None, "fid": None, "search_gpu_days": None}
    seeds = f"{len(row['seeds'])}" + (f", {row['diverged']} diverged" if row["diverged"] else "")
    scores = [plus_minus(row["scores"][name], 1000 if name == "kid" else 1) for name in METRICS]
    against = in_words(row["against"]) if row["against"] else ""
    costs = [_hours(row["search"]), _hours(row["training"])]
    facts = row["architecture"] or {}
    shown = ", ".join(f"{name} {value}" for name, value in facts.items())
    return [
        row["row"],
        seeds,
        *scores,
        against,
        sizes_in_words(row),
        *costs,
        paper["is"] or "",
        paper["fid"] or "",
        _days(paper),
        shown,
    ]


def sizes_in_words(row: Mapping[str, Any]) -> str:
    """`47,987 to 49,747`: the fewest and the most parameters of a row's seeds."""
    return " to ".join(f"{count:,}" for count in (row["num_parameters"][:1] + row["num_parameters"][1:][-1:]))


def in_words(against: Mapping[str, Any]) -> str:
    """`better by 5.0 (−7.1 to −2.9)`: the verdict, and the interval of the row's score minus DEGAS'."""
    if against["low"] is None:
        return str(against["verdict"])
    return f"{against['verdict']} ({against['low']:.1f} to {against['high']:.1f})".replace("-", "−")


def search_cells(summary: Mapping[str, Any]) -> list[list[str]]:
    """A row of cells for each search and seed, under `SEARCH_HEAD`."""
    lines = []
    for one in summary["searches"]:
        shared = "" if one["shared_edges"] is None else f"{one['shared_edges']:.1f}"
        for found in one["found"]:
            kept = "; ".join(
                f"{node}: " + " + ".join(f"{edge['operation']}({edge['from']})" for edge in edges)
                for node, edges in found["nodes"].items()
            )
            lines.append([one["search"], str(found["seed"]), f"{found['loss']:.4f}", kept, shared])
    return lines


def plus_minus(value: Mapping[str, Any] | None, factor: float) -> str:
    """`14.00 ± 13.14`: a mean and half of its interval, both times `factor`; without an interval for one seed."""
    if value is None:
        return ""
    mean = f"{factor * value['mean']:.2f}"
    return mean if value["half"] is None else f"{mean} ± {factor * value['half']:.2f}"


def _hours(cost: Mapping[str, Any] | None) -> str:
    """Core-hours on a CPU, GPU-days on a GPU."""
    if cost is None:
        return ""
    if cost["device"] == "cuda":
        return f"{cost['seconds'] / 86400:.3f} GPU-days"
    return f"{cost['num_threads'] * cost['seconds'] / 3600:.2f} core-hours"


def _days(row: Mapping[str, Any]) -> str:
    return f"{row['search_gpu_days']} GPU-days" if row["search_gpu_days"] else ""
