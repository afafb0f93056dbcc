"""Wall times of a run from the stages' timing.jsonl: one figure for all, and the share of each stage."""

from __future__ import annotations

from typing import Any

from degas.report.collect import Run, Stage
from degas.runtime.json_files import number

WORDS = {"search": "search", "train": "training", "evaluation": "evaluation"}


def time_tile(run: Run) -> dict[str, Any] | None:
    """The time of all stages together, and of each; None where no stage has logged one."""
    found = {name: stage_seconds(stage) for name, stage in run.stages.items()}
    known = {name: seconds for name, seconds in found.items() if seconds is not None}
    if not known:
        return None
    parts = [f"{WORDS[name]} {duration(seconds)}" for name, seconds in known.items()]
    return {"label": "total time", "value": duration(sum(known.values())), "note": " · ".join(parts)}


def duration(seconds: float) -> str:
    """`31 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def stage_seconds(stage: Stage) -> float | None:
    """The time of a stage, those of its seeds and image sizes included; None where it has logged none."""
    return sum(log_seconds(log) for log in (stage.timing, *stage.timings_of_parts)) or None


def log_seconds(log: list[dict[str, Any]]) -> float:
    """Seconds per step times steps, or a clock that restarts at every resume."""
    total, before_step, before_clock = 0.0, 0.0, 0.0
    for record in log:
        step, rate, clock = (number(record.get(name)) for name in ("step", "seconds_per_step", "seconds"))
        if clock is not None:
            total += clock - before_clock if clock >= before_clock else clock
            before_clock = clock
        elif step is not None and rate is not None and step > before_step:
            total += rate * (step - before_step)
            before_step = step
    return total
