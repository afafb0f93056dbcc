"""The contents of the report's sections, as plain values for the template, which escapes texts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from degas.figures.critic_svg import critic_svg
from degas.figures.curves import Series, curve
from degas.figures.facts import EdgeFact, edge_facts, leading_since
from degas.figures.inline_svg import architecture_svg
from degas.report.collect import Fields, Run, flatten
from degas.report.decisions import by_losses, decided_by, decisions_of, firmness
from degas.report.polish import moved_choices
from degas.report.scoring import score_tiles
from degas.report.times import time_tile
from degas.runtime.json_files import number

MAX_CHARTS = 48  # quantities of a stage; degas writes no log with more
NOT_CURVES = {"step", "epoch"}
SCORE_NAMES = ("fid", "kid", "is_")
STEP_NAMES = {"search": "search step", "train": "generator step"}
# Of config.json, shown in other sections.
ELSEWHERE = ("generator.", "generator", "kind", "command", "gan.critic_layout", "prefix.")


def headline(run: Run) -> list[Fields]:
    """The few most important numbers: label, value, note."""
    tiles = [time_tile(run), _parameter_tile(run), _training_tile(run), *score_tiles(run), _loss_tile(run)]
    return [tile for tile in tiles if tile is not None]


def data_text(run: Run) -> str:
    """The images of a run in a few words, from scores.json or the settings."""
    settings = [flatten(stage.config) for stage in run.stages.values()]

    def find(name: str) -> Any:
        return next((s[f"data.{name}"] for s in settings if s.get(f"data.{name}") is not None), None)

    source = run.scores.get("data", {}).get("source") or find("source")
    count = run.scores.get("data", {}).get("num_images") or find("num_images")
    size = find("image_size") or (run.architecture.image_size if run.architecture else None)
    parts = [str(source)] if source else []
    parts += [f"{count:,} images"] if isinstance(count, int) else []
    parts += [f"{size} px"] if isinstance(size, int) else []
    return " · ".join(parts)


def architecture(run: Run, prefix: str) -> Fields | None:
    """The drawing, the deciding values and every edge with its α; None for a run without an architecture."""
    if run.architecture is None:
        return None
    alpha = run.alpha[-1].values if run.alpha else None
    decided = decisions_of(run.pruning, moved_choices([record for _, record in run.polishes]))
    facts = edge_facts(run.architecture, alpha, decided)
    return {
        "svg": architecture_svg(facts, run.architecture, prefix),
        "given": any(fact.given for fact in facts),
        "edges": [{"fact": fact, "since": _leads_since(run, fact)} for fact in facts],
        "has_alpha": bool(alpha),
        "by_losses": by_losses(run.pruning),
        "decided_by": decided_by(run.pruning),
        "decided": decided,
        "firmness": firmness(run.pruning),
    }


def critic(run: Run, prefix: str) -> Fields | None:
    """The drawing of a critic from a file; None for a registered critic, whose parts only its code knows."""
    layout = run.critic
    config = run.train.config if run.train is not None else {}
    size = flatten(config).get("data.image_size")
    if layout is None or not isinstance(size, int):
        return None
    return {"svg": critic_svg(layout, size, prefix), "name": str(flatten(config).get("gan.critic"))}


def _leads_since(run: Run, fact: EdgeFact) -> int | None:
    """The epoch from which the edge's leader by α has led."""
    if fact.leader is None:
        return None
    return leading_since([r.values for r in run.alpha], [r.epoch for r in run.alpha], fact.slot.name, fact.leader)


def curves(runs: Sequence[Run], stage: str) -> list[Fields]:
    """One chart per logged quantity of a stage, one line per run: the loss, scores, other losses, then the rest."""
    logs = [run.stages[stage].metrics if stage in run.stages else [] for run in runs]
    keys = {key for log in logs for record in log for key in record if number(record[key]) is not None} - NOT_CURVES
    charts = []
    for k, key in enumerate(sorted(keys, key=_rank)[:MAX_CHARTS]):
        series = [s for i, log in enumerate(logs) if (s := _series(runs[i].name, i, log, key)) is not None]
        if not series:
            continue
        last = "; ".join(f"{one.label}: {one.values[-1]:.4g} at step {one.steps[-1]:.0f}" for one in series)
        title = key.replace("_", " ") if "[" not in key else key
        label = f"{title} over steps. Last values: {last}"
        chart = curve(series, label=label, x_label=STEP_NAMES[stage], prefix=f"{stage}-{k}", size=(4, 2.2))
        charts.append({"title": title, "svg": chart})
    return charts


def tables(runs: Sequence[Run], part: str) -> list[Fields]:
    """Settings or environment (`part` is "config" or "environment"), stage by stage, runs as columns.

    A value differs where the runs that have the stage differ in it; a run without the stage differs in nothing.
    """
    found = []
    for stage in ("search", "train", "evaluation"):
        columns = [flatten(getattr(run.stages[stage], part)) if stage in run.stages else None for run in runs]
        having = [column for column in columns if column is not None]
        keys = dict.fromkeys(key for column in having for key in column if not key.startswith(ELSEWHERE))
        rows: list[Fields] = [
            {
                "key": key,
                "values": [None if column is None else column.get(key) for column in columns],
                "differs": len({repr(column.get(key)) for column in having}) > 1,
            }
            for key in keys
        ]
        if rows:
            names = [run.name for run, column in zip(runs, columns, strict=True) if column is not None]
            found.append(
                {"stage": stage, "rows": rows, "runs": names, "num_differing": sum(r["differs"] for r in rows)}
            )
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


def warnings(run: Run) -> list[str]:
    """Return the warnings of the stages: the last message of each kind, and the number of warnings."""
    lines = []
    for name, stage in run.stages.items():
        kinds: dict[str, list[str]] = {}
        for record in stage.warnings:
            kinds.setdefault(str(record.get("kind")), []).append(str(record.get("warning")))
        for messages in kinds.values():
            lines.append(f"{name}: {messages[-1]}" + (f" ({len(messages)} times)" if len(messages) > 1 else ""))
    return lines


def _loss_tile(run: Run) -> Fields | None:
    log = run.search.metrics if run.search else []
    series = _series("", 0, log, "loss")
    if series is None:
        return None
    epochs = _series("", 0, log, "epoch_loss")
    tail = series.values[-max(1, len(series.values) // 20) :]
    signal = str(flatten(run.search.config).get("search.signal", "glo")) if run.search else "glo"
    value, what = sum(tail) / len(tail), f"mean of the last {len(tail)} logged"
    if epochs is not None:
        value, what = epochs.values[-1], "mean over the last epoch"
    return {
        "label": "search loss",
        "value": f"{value:.3f}",
        "note": f"{signal.upper()}, {what}; {series.values[0]:.3f} at the start",
    }


def _parameter_tile(run: Run) -> Fields | None:
    count = run.num_parameters
    if count is None:
        return None
    value = f"{count / 1e6:.2f} M" if count >= 1_000_000 else f"{count / 1e3:.0f} k"
    kind = run.generator.get("kind")
    maker = f" of {kind}" if isinstance(kind, str) and kind != "architecture" else ""
    return {"label": "generator's parameters", "value": value, "note": f"{count:,} learned values{maker}"}


def _training_tile(run: Run) -> Fields | None:
    if run.train is None:
        return None
    steps = [int(step) for record in run.train.metrics if (step := number(record.get("step"))) is not None]
    if not steps:
        return None
    objective = flatten(run.train.config).get("gan.objective", "adversarial")
    note = f"generator steps, {objective}" + ("" if run.train.done else "; not finished")
    note += f"; fine-tuned from {run.fine_tuned_from}" if run.fine_tuned_from is not None else ""
    return {"label": "adversarial training", "value": f"{max(steps):,}", "note": note}


def _series(label: str, run: int, log: Sequence[Fields], key: str) -> Series | None:
    points = [(number(record.get("step")), number(record.get(key))) for record in log]
    good = [(step, value) for step, value in points if step is not None and value is not None]
    return Series(label, run, [step for step, _ in good], [value for _, value in good]) if good else None


def _rank(key: str) -> tuple[int, str]:
    low = key.lower()
    if low == "loss":
        return 0, ""
    if low.startswith(SCORE_NAMES):
        return 1, low
    return (2 if "loss" in low else 4 if low.endswith(("lr", "rate")) else 3), low
