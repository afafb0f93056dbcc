"""The scores of runs side by side, their floors, and the paper's rows beside them. Plain values for the template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from degas.report.collect import Run, flatten, number
from degas.report.paper import ROWS, PaperRow, comparable_scores, describe_protocol, paper_data_set, why_not

Values = dict[str, Any]
HEADLINES = (("fid", "Fréchet distance (FID)"), ("kid", "kernel distance (KID)"), ("is_", "Inception Score"))


def floor_name(protocol: str) -> str:
    """The protocol of a score's floor: `fid_5k_train[imagenet-224]` → `fid_5k_train_floor[imagenet-224]`."""
    return re.sub(r"(?=\[)|$", "_floor", protocol, count=1)


def score_rows(runs: Sequence[Run]) -> list[Values]:
    """One row per protocol, one cell per run; says where runs were measured against different images.

    A floor stands in its score's cell, and gets a row of its own only where no run has that score.
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


def score_tiles(run: Run) -> list[Values]:
    """The headline scores: the first of each kind that matters, with its floor."""
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


def paper_rows(runs: Sequence[Run]) -> list[Values]:
    """The paper's rows, each with our comparable figures of the same kind of run."""
    return [{"row": row, "ours": [_ours(run, row) for run in runs]} for row in ROWS]


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


def _entries(run: Run) -> dict[str, Any]:
    entries: dict[str, Any] = run.scores.get("scores", {})
    return entries


def _score_cell(run: Run, name: str) -> Values | None:
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


def _ours(run: Run, row: PaperRow) -> Values:
    good: Mapping[str, Any] = comparable_scores(run.scores) if _same_kind(run, row) else {}
    return {"is": _plain(good.get("is_50k")), "fid": _plain(good.get("fid_50k_train"))}


def _plain(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None:
        return None
    std = number(entry.get("std"))
    return _figure(entry["value"]) + (f" ± {std:.2g}" if std else "")


def _figure(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _same_kind(run: Run, row: PaperRow) -> bool:
    """The run and the row share data set, use of labels, and n."""
    if row.num_normal is None or run.architecture is None or run.architecture.num_normal != row.num_normal:
        return False
    settings = flatten(run.train.config) if run.train else {}
    supervised = settings.get("gan.supervised") is True
    return supervised == row.supervised and paper_data_set(run.scores) == row.data.split(",")[0]
