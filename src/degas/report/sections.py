"""What each section of the report shows, as plain values for the template. Texts are escaped by the template."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from degas.report.collect import Run, Stage, number
from degas.report.curves import Series, alpha_lines, curve, operation_index
from degas.report.facts import EdgeFact, edge_facts, leading_since, softmax
from degas.report.inline_svg import architecture_svg
from degas.report.paper import ROWS, comparable_scores, describe_protocol, paper_data_set, why_not

Values = dict[str, Any]
NOT_CURVES = {"step", "epoch"}
SCORE_WORDS = ("fid", "kid", "is_")


def headline(run: Run) -> list[Values]:
    """The few figures that matter: label, value, note."""
    tiles = [*_score_tiles(run), _loss_tile(run), _parameter_tile(run), _training_tile(run), *_time_tiles(run)]
    return [tile for tile in tiles if tile is not None]


def data_words(run: Run) -> str:
    """The images of a run in a few words, from scores.json or the settings."""
    data = run.scores.get("data", {})
    settings = [flatten(stage.config) for stage in run.stages.values()]
    source = data.get("source") or next(
        (s[k] for s in settings for k in s if k in ("source", "data.source", "data")), ""
    )
    count = data.get("num_images")
    size = run.architecture.image_size if run.architecture else None
    parts = [str(source)] if source else []
    parts += [f"{count:,} images"] if isinstance(count, int) else []
    parts += [f"{size} px"] if size else []
    return " · ".join(parts)


def zero_rule(run: Run) -> str:
    settings = flatten(run.search.config) if run.search else {}
    return next((str(value) for key, value in settings.items() if key.split(".")[-1] == "zero_rule"), "drops_edge")


def architecture(run: Run, prefix: str) -> Values | None:
    if run.architecture is None:
        return None
    alpha = run.alpha[-1].values if run.alpha else None
    facts = edge_facts(run.architecture, alpha, zero_rule(run))
    epochs, history = [r.epoch for r in run.alpha], [r.values for r in run.alpha]
    rows = [
        {"fact": fact, "since": leading_since(history, epochs, fact.slot.name) if history else None}
        for fact in facts
        if fact.kept
    ]
    svg = architecture_svg(run.architecture, alpha, zero_rule(run), prefix)
    return {"svg": svg, "rows": rows, "has_alpha": bool(alpha), "other_rule": _other_rule(facts)}


def alpha(run: Run, prefix: str) -> Values | None:
    """One card per edge: lines over epochs and a bar per operation, with the numbers for the page's script."""
    if not run.alpha:
        return None
    names = [name for name in run.alpha[-1].values if all(name in record.values for record in run.alpha)]
    kept = {f"{e.source}->{e.target}": e.operation for e in run.architecture.edges} if run.architecture else {}
    order = [slot.name for slot in run.architecture.graph.slots] if run.architecture else names
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    cards = [_card(run, name, kept.get(name), f"{prefix}-{k}") for k, name in enumerate(names)]
    return {"epochs": [record.epoch for record in run.alpha], "cards": cards}


def curves(runs: Sequence[Run], stage: str) -> list[Values]:
    """One chart per logged quantity of a stage, a line per run; scores first, then losses, then the rest."""
    logs = [run.stages[stage].metrics if stage in run.stages else [] for run in runs]
    keys: dict[str, None] = {}
    for log in logs:
        for record in log:
            keys.update({key: None for key in record if key not in NOT_CURVES and number(record[key]) is not None})
    charts = []
    for k, key in enumerate(sorted(keys, key=_rank)):
        series = [s for i, log in enumerate(logs) if (s := _series(runs[i].name, i, log, key)) is not None]
        last = "; ".join(f"{one.label}: {one.values[-1]:.4g} at step {one.steps[-1]:.0f}" for one in series)
        title = key.replace("_", " ")
        wide = stage == "search" and k == 0
        chart = curve(
            series, label=f"{title} over steps. Last values: {last}", x_label=f"{stage} step", prefix=f"{stage}-{k}",
            size=(8.2, 2.7) if wide else (4, 2.2),
        )  # fmt: skip
        charts.append({"title": title, "svg": chart, "last": last, "wide": wide})
    return charts


def score_rows(runs: Sequence[Run]) -> list[Values]:
    """One row per protocol, one cell per run; says where runs were measured against different images."""
    names: dict[str, None] = {}
    for run in runs:
        names.update(dict.fromkeys(run.scores.get("scores", {})))
    rows = []
    for name in names:
        entries = [run.scores.get("scores", {}).get(name) for run in runs]
        prints = {str(run.scores["data"].get("fingerprint")) for run, e in zip(runs, entries, strict=True) if e}
        words = describe_protocol(name, next(entry for entry in entries if entry))
        paper = [name in comparable_scores(run.scores) for run in runs]
        cells = [_score_cell(entry, flag) for entry, flag in zip(entries, paper, strict=True)]
        rows.append({"name": name, "words": words, "cells": cells, "mixed": len(prints) > 1})
    return rows


def paper_rows(runs: Sequence[Run]) -> list[Values]:
    rows = []
    for row in ROWS:
        ours = []
        for run in runs:
            good = comparable_scores(run.scores) if _same_kind(run, row.data, row.supervised, row.num_normal) else {}
            ours.append({"is": _plain(good.get("is_50k")), "fid": _plain(good.get("fid_50k_train"))})
        rows.append({"row": row, "ours": ours})
    return rows


def comparability(runs: Sequence[Run]) -> list[str]:
    """One honest sentence per run."""
    sentences = []
    for run in runs:
        reason = why_not(run.scores)
        names = " and ".join(comparable_scores(run.scores))
        sentences.append(
            f"{run.name}: {names} may be read beside the paper's figures for {paper_data_set(run.scores)}."
            if reason is None
            else f"{run.name}: none of its figures may be read beside the paper's, because {reason}."
        )
    return sentences


def tables(runs: Sequence[Run], part: str) -> list[Values]:
    """Settings or environment (`part` is "config" or "environment"), stage by stage, runs as columns."""
    found = []
    for stage in ("search", "train", "evaluation"):
        columns = [flatten(getattr(run.stages[stage], part)) if stage in run.stages else {} for run in runs]
        keys = dict.fromkeys(key for column in columns for key in column if key != "command")
        rows = [{"key": key, "values": [column.get(key) for column in columns]} for key in keys]
        for row in rows:
            row["differs"] = len({repr(value) for value in row["values"]}) > 1
        if rows:
            found.append({"stage": stage, "rows": rows})
    return found


def commands(run: Run) -> list[str]:
    """The command lines that made the run, each once."""
    lines: dict[str, None] = {}
    for stage in run.stages.values():
        command = stage.environment.get("command")
        if isinstance(command, list) and command:
            lines[shlex.join(str(word) for word in command)] = None
        elif isinstance(command, str) and command:
            lines[command] = None
    return list(lines)


def flatten(value: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested objects as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{head}.{key}" if head else str(key)
        if isinstance(item, dict) and item and len(name) < 200:
            flat |= flatten(item, name)
        else:
            flat[name] = item
    return flat


def _score_tiles(run: Run) -> list[Values]:
    tiles = []
    for name, entry in list(run.scores.get("scores", {}).items())[:3]:
        cell = _score_cell(entry, False) or {}
        note = name if not cell.get("floor") else f"{name}; real against real: {cell['floor']}"
        label = describe_protocol(name, {}).split(";")[0]
        tiles.append({"label": label, "value": cell.get("value"), "note": note})
    return tiles


def _loss_tile(run: Run) -> Values | None:
    log = run.search.metrics if run.search else []
    series = _series("", 0, log, "loss")
    if series is None:
        return None
    tail = series.values[-max(1, len(series.values) // 20) :]
    note = f"GLO, mean of the last {len(tail)} logged steps; {series.values[0]:.3f} at the start"
    return {"label": "search loss", "value": f"{sum(tail) / len(tail):.3f}", "note": note}


def _parameter_tile(run: Run) -> Values | None:
    if run.num_parameters is None:
        return None
    count = run.num_parameters
    value = f"{count / 1e6:.2f} M" if count >= 1_000_000 else f"{count / 1e3:.0f} k"
    return {"label": "generator's parameters", "value": value, "note": f"{count:,} learned values"}


def _training_tile(run: Run) -> Values | None:
    steps = [
        int(s) for record in (run.train.metrics if run.train else []) if (s := number(record.get("step"))) is not None
    ]
    if not steps or run.train is None:
        return None
    objective = next(
        (v for k, v in flatten(run.train.config).items() if k.split(".")[-1] == "objective"), "adversarial"
    )
    note = f"generator steps, {objective}" + ("" if run.train.done else "; not finished")
    return {"label": "adversarial training", "value": f"{max(steps):,}", "note": note}


def _time_tiles(run: Run) -> list[Values]:
    tiles = []
    for name, stage in run.stages.items():
        seconds = _total_seconds(stage)
        if seconds is not None:
            tiles.append({"label": f"{name} took", "value": duration(seconds), "note": _device(stage)})
    return tiles


def _total_seconds(stage: Stage) -> float | None:
    """Wall time from timing.jsonl: the largest running total, else the sum of the parts."""
    for key in ("total_seconds", "elapsed_seconds", "elapsed"):
        values = [value for record in stage.timing if (value := number(record.get(key))) is not None]
        if values:
            return max(values)
    values = [value for record in stage.timing if (value := number(record.get("seconds"))) is not None]
    return sum(values) if values else None


def _device(stage: Stage) -> str:
    words = [str(stage.environment[key]) for key in ("device_name", "device", "cpu") if stage.environment.get(key)]
    return words[0][:60] if words else "wall time"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _other_rule(facts: Iterable[EdgeFact]) -> bool:
    return any(fact.margin is not None and fact.margin < 0 for fact in facts)


def _card(run: Run, name: str, kept: str | None, prefix: str) -> Values:
    history = [record.values[name] for record in run.alpha]
    operations = list(history[-1])
    shares = [[softmax(values).get(operation, 0.0) for operation in operations] for values in history]
    top = max(max(row) for row in shares)
    source, _, target = name.partition("->")
    bars = [
        {
            "name": operation,
            "colour": operation_index(operation),
            "alpha": history[-1][operation],
            "share": shares[-1][k],
        }
        for k, operation in enumerate(operations)
    ]
    numbers = [[round(values.get(operation, 0.0), 4) for operation in operations] for values in history]
    direct = (
        next((s.direct for s in run.architecture.graph.slots if s.name == name), None) if run.architecture else None
    )
    label = f"Mixing weights on {source} to {target} over {len(history)} epochs"
    return {
        "source": source, "target": target, "kind": "up" if target.startswith("U") else "normal", "kept": kept,
        "direct": direct, "bars": bars, "top": top, "uniform": 1 / len(operations), "alpha": numbers,
        "lines": alpha_lines(history, label=label, prefix=prefix) if len(history) > 1 else None,
    }  # fmt: skip


def _series(label: str, run: int, log: Sequence[Values], key: str) -> Series | None:
    points = [(number(record.get("step")), number(record.get(key))) for record in log]
    good = [(step, value) for step, value in points if step is not None and value is not None]
    return Series(label, run, [step for step, _ in good], [value for _, value in good]) if good else None


def _rank(key: str) -> tuple[int, str]:
    low = key.lower()
    if low == "loss":
        return 0, ""
    if low.startswith(SCORE_WORDS):
        return 1, low
    return (2 if "loss" in low else 4 if low.endswith(("lr", "rate")) else 3), low


def _score_cell(entry: Mapping[str, Any] | None, paper: bool) -> Values | None:
    if not entry:
        return None
    floor = entry.get("floor")
    floor = number(floor.get("value")) if isinstance(floor, dict) else number(floor)
    return {
        "value": _plain(entry),
        "reference": entry.get("reference"),
        "floor": None if floor is None else f"{floor:.4g}",
        "paper": paper,
    }


def _plain(entry: Mapping[str, Any] | None) -> str | None:
    value = number(entry.get("value")) if entry else None
    if entry is None or value is None:
        return None
    std = number(entry.get("std"))
    return f"{value:.4g}" + (f" ± {std:.2g}" if std else "")


def _same_kind(run: Run, data: str, supervised: bool, num_normal: int | None) -> bool:
    if num_normal is None or run.architecture is None or run.architecture.num_normal != num_normal:
        return False
    settings = flatten(run.train.config) if run.train else {}
    ours = any(value is True for key, value in settings.items() if key.split(".")[-1] == "supervised")
    return ours == supervised and paper_data_set(run.scores) == data.split(",")[0]
