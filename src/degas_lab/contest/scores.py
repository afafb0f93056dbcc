"""Scores of trials, by candidate and seed. Lower is better; a training that diverged is a result and the worst one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from degas.errors import UserError
from degas_lab.trials import TrialRecords


def trial_name(candidate: str, seed: int) -> str:
    """The file's name without its ending."""
    return f"{candidate}-s{seed}"


def score_table(
    names: Sequence[str], records: TrialRecords, seeds: Sequence[int], steps: int, score: str
) -> dict[str, dict[int, float | None]]:
    """Candidate → seed → what `score_at` says."""
    return {
        name: {seed: score_at(records.get(trial_name(name, seed)), steps, score) for seed in seeds} for name in names
    }


def score_at(record: Mapping[str, Any] | None, steps: int, score: str) -> float | None:
    """The score at so many steps: infinite where the training diverged before, None where it has not come so far."""
    history = record["history"] if record is not None else []
    found = next((rounded(mark[score]) for mark in history if mark["steps"] == steps), None)
    return math.inf if found is None and record is not None and "failed" in record else found


def diverged(table: Mapping[str, Mapping[int, float | None]]) -> set[str]:
    """Those of which any training diverged."""
    return {name for name, scores in table.items() if math.inf in scores.values()}


def with_worst(table: Mapping[str, Mapping[int, float | None]]) -> dict[str, dict[int, float]]:
    """The table with the worst score of all where a training diverged."""
    finite = [value for scores in table.values() for value in scores.values() if value is not None and value < math.inf]
    if not finite:
        raise UserError("contest: every training of this rung diverged; lower --gan.generator-lr and --gan.critic-lr")
    return {
        name: {seed: min(math.inf if value is None else value, max(finite)) for seed, value in scores.items()}
        for name, scores in table.items()
    }


def rounded(value: float) -> float:
    """To six digits, so that the last bits of a machine do not decide."""
    return float(f"{value:.6g}")
