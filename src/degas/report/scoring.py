"""The scores of several runs, their floors, and the paper's rows for comparison. Plain values for the template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from degas.report.collect import Fields, Run
from degas.report.kinds import Kind, differences, kinds_of
from degas.report.paper import ROWS, PaperRow, comparable_scores, describe_protocol, paper_data_set, why_not
from degas.runtime.json_files import number

HEADLINES = (("fid", "Fréchet distance (FID)"), ("kid", "kernel distance (KID)"), ("is_", "Inception Score"))


def floor_name(protocol: str) -> str:
    """The protocol of a score's floor: `fid_5k_train[imagenet-224]` → `fid_5k_train_floor[imagenet-224]`."""
    return re.sub(r"(?=\[)|$", "_floor", protocol, count=1)


def score_rows(runs: Sequence[Run]) -> list[Fields]:
    """One row per protocol, one cell per run; says if runs were measured against different images.

    A floor is shown in its score's cell; it has a separate row only if no run has that score.
    """
    names = dict.fromkeys(name for run in runs for name in _entries(run))
    floors = {floor_name(name) for name in names}
    rows = []
    for name in (name for name in names if name not in floors):
        having = [run for run in runs if name in _entries(run)]
        prints = {str(run.scores["data"].get("fingerprint")) for run in having}
        rows.append(
            {
                "name": name,
                "words": describe_protocol(name, _entries(having[0])[name]),
                "cells": [_score_cell(run, name) for run in runs],
                "mixed": len(prints) > 1,
            }
        )
    return rows


def score_tiles(run: Run) -> list[Fields]:
    """The headline scores: the first of each important kind, with its floor."""
    tiles = []
    entries = _entries(run)
    floors = {floor_name(name) for name in entries}
    for prefix, label in HEADLINES:
        name = next((n for n in entries if n.lower().startswith(prefix) and n not in floors), None)
        if name is not None:
            cell = _score_cell(run, name) or {}
            note = name if not cell["floor"] else f"{name}; real against real: {cell['floor']}"
            tiles.append({"label": label, "value": cell["value"], "std": cell["std"], "note": note})
    return tiles


def paper_rows(runs: Sequence[Run]) -> list[Fields]:
    """The paper's rows, each with our comparable scores of the same kind of run; `first` starts a table."""
    kinds, rows, table = kinds_of(runs), [], None
    for row in ROWS:
        ours = [_ours(run, kind, row) for run, kind in zip(runs, kinds, strict=True)]
        rows.append({"row": row, "ours": ours, "first": row.table != table})
        table = row.table
    return rows


def comparability(runs: Sequence[Run]) -> list[str]:
    """Say which scores are comparable with the paper's, and what still differs: a few sentences per run."""
    return [_comparability(run, kind) for run, kind in zip(runs, kinds_of(runs), strict=True)]


def _comparability(run: Run, kind: Kind) -> str:
    reason = why_not(run.scores)
    if reason is not None:
        return f"{run.name}: none of its scores is comparable with the paper's, because {reason}."
    names = " and ".join(comparable_scores(run.scores))
    head = f"{run.name}: {names} can be compared with the paper's for {paper_data_set(run.scores)}."
    row = next((row for row in ROWS if kind.is_counterpart(row)), None)
    if row is None:
        return f"{head} But no row of the paper is a run of this kind ({kind.description})."
    found = differences(run, kind)
    unlike = f"; unlike the paper's run it has {', '.join(found)}" if found else ""
    return f"{head} It corresponds to “{row.what}” of {row.table}{unlike}."


def _entries(run: Run) -> dict[str, Any]:
    entries: dict[str, Any] = run.scores.get("scores", {})
    return entries


def _score_cell(run: Run, name: str) -> Fields | None:
    entry = _entries(run).get(name)
    if not entry:
        return None
    floor = _entries(run).get(floor_name(name)) or {"value": entry.get("floor")}
    floor_value = number(floor.get("value"))
    std = number(entry.get("std"))
    return {
        "value": _figure(entry["value"]),
        "std": f"{std:.2g}" if std else None,
        "reference": None if entry.get("reference") in (None, "none") else entry["reference"],
        "floor": None if floor_value is None else _figure(floor_value),
        "paper": name in comparable_scores(run.scores),
    }


def _ours(run: Run, kind: Kind, row: PaperRow) -> Fields:
    good: Mapping[str, Any] = comparable_scores(run.scores) if kind.is_counterpart(row) else {}
    return {"is": _plain(good.get("is_50k")), "fid": _plain(good.get("fid_50k_train"))}


def _plain(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None:
        return None
    std = number(entry.get("std"))
    return _figure(entry["value"]) + (f" ± {std:.2g}" if std else "")


def _figure(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
