"""Writes the report of a sweep: one self-contained HTML page with the table of all trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.report.render import page_environment, page_style
from degas.report.scoring import figure
from degas.runtime.durable import replace_file
from degas.runtime.json_files import number
from degas.runtime.paths import expanded

TAIL_LINES = 12  # of the log of a failed trial


def write_sweep_report(folder: Path) -> Path:
    """Write DIR/report.html of the sweep in `folder` from its table.json and halving.json; returns its path.

    Raises `UserError` if the folder holds no sweep.
    """
    folder = expanded(folder)
    html = page_environment().get_template("sweep.html").render(**sweep_context(folder), style=page_style())
    replace_file(folder / "report.html", html.encode("utf-8", errors="replace"))
    return folder / "report.html"


def sweep_context(folder: Path) -> dict[str, Any]:
    """What the page shows: the settings that differ, a row for each trial, the decisions of halving, failed trials."""
    rows = _read(folder / "table.json", f"{folder}: holds no sweep; give the --out of degas sweep")
    halving = _read(folder / "halving.json") if (folder / "halving.json").is_file() else []
    names = list(dict.fromkeys(name for row in rows for name in row["settings"]))
    differing = [name for name in names if len({repr(row["settings"].get(name)) for row in rows}) > 1]
    scores = list(dict.fromkeys(name for row in rows for name in row["scores"] if "_floor" not in name))
    return {
        "title": folder.resolve().name,
        "counts": _counts(rows),
        "shared": [(name, _typed(rows[0]["settings"][name])) for name in names if name not in differing],
        "differing": differing,
        "scores": scores,
        "rows": [_row(folder, row, differing, scores) for row in rows],
        "halving": [_mark(entry) for entry in halving],
        "problems": [_problem(folder, row) for row in rows if row["status"] in ("failed", "rejected")],
    }


def _read(path: Path, missing: str = "") -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(missing) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run the same degas sweep again") from None
    return found


def _counts(rows: Sequence[Mapping[str, Any]]) -> str:
    order = ("done", "dropped", "failed", "rejected", "waiting")
    counts = {status: sum(row["status"] == status for row in rows) for status in order}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _row(folder: Path, row: Mapping[str, Any], differing: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    report = Path("runs") / row["name"] / "report.html"
    best = [_value(row, name) for name in scores]
    return {
        "name": row["name"],
        "status": row["status"],
        "mark": row.get("mark"),
        "link": report.as_posix() if (folder / report).is_file() else None,
        "settings": [_typed(row["settings"].get(name)) for name in differing],
        "scores": ["—" if value is None else figure(value) for value in best],
    }


def _value(row: Mapping[str, Any], name: str) -> float | None:
    entry = row["scores"].get(name)
    return number(entry.get("value")) if isinstance(entry, Mapping) else None


def _mark(entry: Mapping[str, Any]) -> dict[str, Any]:
    standings = [
        {
            "trials": ", ".join(one["trials"]),
            "difference": "failed" if one["difference"] is None else f"{one['difference']:+.4g}".replace("-", "−"),
            "kept": one["kept"],
        }
        for one in entry["standings"]
    ]
    return {"mark": entry["mark"], "standings": standings}


def _problem(folder: Path, row: Mapping[str, Any]) -> dict[str, str]:
    log = folder / "logs" / f"{row['name']}.txt"
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = [f"{log} cannot be read"]
    return {"name": row["name"], "status": row["status"], "log": "\n".join(lines)}


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "—" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)
