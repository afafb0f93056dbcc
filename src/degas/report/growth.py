"""The page's tables on a grown search and a grown training, from growth.json and times: one row per image size."""

from __future__ import annotations

from typing import Any

from degas.report.collect import Run
from degas.report.times import duration, log_seconds
from degas.runtime.json_files import number


def growth_section(run: Run) -> list[dict[str, Any]]:
    """The stages, the smallest first: image size, choices by decision, loss and time in words; empty without growing.

    Malformed records are left out.
    """
    rows = []
    for record in run.growth:
        size, loss, choices = number(record.get("image_size")), number(record.get("loss")), record.get("choices")
        if size is None or not isinstance(choices, dict):
            continue
        seconds = sum(log_seconds(log) for log in run.growth_timings.get(str(record.get("folder")), ()))
        rows.append(
            {
                "size": f"{size:.0f} px",
                "choices": [(str(name), str(choice)) for name, choice in choices.items()],
                "loss": "" if loss is None else f"{loss:.4f}",
                "time": duration(seconds) if seconds else "",
            }
        )
    return rows


def training_growth(run: Run) -> list[dict[str, str]]:
    """The stages of a training that grows, the smallest first: image size, steps and time in words.

    Malformed records are left out, and stages that have not begun have no time.
    """
    rows = []
    for record in run.training_growth:
        size, first, last = (number(record.get(name)) for name in ("image_size", "first_step", "last_step"))
        if size is None or first is None or last is None:
            continue
        steps = [(number(one.get("step")), one) for one in (run.train.timing if run.train is not None else [])]
        own = [{**one, "step": at - first + 1} for at, one in steps if at is not None and first <= at <= last]
        seconds = log_seconds(own)
        rows.append(
            {
                "size": f"{size:.0f} px",
                "steps": f"{first:,.0f} to {last:,.0f}",
                "time": duration(seconds) if seconds else "",
            }
        )
    return rows
