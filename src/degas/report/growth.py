"""The page's section on a grown search, from growth.json and the stages' times: one row per image size."""

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
