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


def floor_of(entries: Mapping[str, Any], name: str) -> float | None:
    """The floor of a score, from a score of its own or, in files of old, from the score's entry; None without one."""
    floor = entries.get(floor_name(name)) or {"value": entries[name].get("floor")}
    return number(floor.get("value"))


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
    """The paper's rows that have comparable scores of ours, of the same kind of run; `first` starts a table."""
    kinds, rows, table = kinds_of(runs), [], None
    for row in ROWS:
        ours = [_ours(run, kind, row) for run, kind in zip(runs, kinds, strict=True)]
        if any(figures["is"] or figures["fid"] for figures in ours):
            rows.append({"row": row, "ours": ours, "first": row.table != table})
            table = row.table
    return rows


def on_the_papers_data(runs: Sequence[Run]) -> bool:
    """Return whether a run was measured on one of the paper's data sets, so that the paper may be spoken of."""
    return any(paper_data_set(run.scores) is not None for run in runs)


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
    floor_value = floor_of(_entries(run), name)
    std = number(entry.get("std"))
    return {
        "value": figure(entry["value"]),
        "std": f"{std:.2g}" if std else None,
        "reference": None if entry.get("reference") in (None, "none") else entry["reference"],
        "untrained": _untrained_figure(run, name),
        "floor": None if floor_value is None else figure(floor_value),
        "paper": name in comparable_scores(run.scores),
    }


def untrained_of(scores: Mapping[str, Any], name: str) -> float | None:
    """The same score of the generator before training; None where it was not measured."""
    found = scores.get("untrained")
    entry = found.get(name) if isinstance(found, Mapping) else None
    return number(entry.get("value")) if isinstance(entry, Mapping) else None


def _untrained_figure(run: Run, name: str) -> str | None:
    value = untrained_of(run.scores, name)
    return None if value is None else figure(value)


def _ours(run: Run, kind: Kind, row: PaperRow) -> Fields:
    good: Mapping[str, Any] = comparable_scores(run.scores) if kind.is_counterpart(row) else {}
    return {"is": _plain(good.get("is_50k")), "fid": _plain(good.get("fid_50k_train"))}


def _plain(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None:
        return None
    std = number(entry.get("std"))
    return figure(entry["value"]) + (f" ± {std:.2g}" if std else "")


def figure(value: float) -> str:
    """The score as the page prints it: four digits."""
    return f"{value:.4g}".replace("-", "−")
