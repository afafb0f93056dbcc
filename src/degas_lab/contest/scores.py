"""Scores of trials, by candidate and seed. Lower is better; a diverged training is a result, the worst one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from degas.errors import UserError
from degas_lab.trials import TrialRecords


def trial_name(candidate: str, seed: int) -> str:
    """The file's name without its suffix."""
    return f"{candidate}-s{seed}"


def score_table(
    names: Sequence[str], records: TrialRecords, seeds: Sequence[int], steps: int, score: str
) -> dict[str, dict[int, float | None]]:
    """Candidate → seed → `score_at`."""
    return {
        name: {seed: score_at(records.get(trial_name(name, seed)), steps, score) for seed in seeds} for name in names
    }


def score_at(record: Mapping[str, Any] | None, steps: int, score: str) -> float | None:
    """The score after `steps`: infinite if the training diverged before, None if it has not reached them."""
    history = record["history"] if record is not None else []
    found = next((rounded(mark[score]) for mark in history if mark["steps"] == steps), None)
    return math.inf if found is None and record is not None and "failed" in record else found


def diverged(table: Mapping[str, Mapping[int, float | None]]) -> set[str]:
    """The candidates with any diverged training."""
    return {name for name, scores in table.items() if math.inf in scores.values()}


def with_worst(table: Mapping[str, Mapping[int, float | None]]) -> dict[str, dict[int, float]]:
    """The table with the worst score of all in place of diverged trainings."""
    finite = [value for scores in table.values() for value in scores.values() if value is not None and value < math.inf]
    if not finite:
        raise UserError("contest: every training of this rung diverged; lower --gan.generator-lr and --gan.critic-lr")
    return {
        name: {seed: min(math.inf if value is None else value, max(finite)) for seed, value in scores.items()}
        for name, scores in table.items()
    }


def clock_of(record: Mapping[str, Any]) -> str:
    """The entry of a record that compares times: processor seconds, but wall-clock ones on a GPU, which those omit."""
    return "processor_seconds" if record.get("device", "cpu") == "cpu" else "seconds"


def rounded(value: float) -> float:
    """`value` to six digits, so that a machine's last bits do not matter."""
    return float(f"{value:.6g}")
