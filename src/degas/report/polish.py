"""The page's table on a polish, from polish.json: one row per fitted neighbour, and a sentence on what moved.

Foreign or damaged records are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.runtime.json_files import number

MINUS = "−"


def polish_files(search: Path) -> list[Path]:
    """The polish.json of a search's folder: its own, or those of the stages of a grown one, the smallest first."""
    found = [search / "polish.json", *sorted(search.glob("grow-*/polish.json"))]
    return [path for path in found if path.is_file()]


def moved_choices(polishes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Decision → the option to which a polish moved it."""
    moves = [record["moved"] for record in polishes if isinstance(record.get("moved"), Mapping)]
    return {str(move.get("decision")): str(move.get("after")) for move in moves}


def polish_words(record: Mapping[str, Any]) -> str:
    """What a polish came to, in one sentence; "" for a foreign record."""
    fits, rows = number(record.get("num_fits")), record.get("neighbours")
    if fits is None or not isinstance(rows, list):
        return ""
    if not rows:
        return "nothing was fitted: no architecture within the caps differs in one decision"
    head = (
        f"{fits:.0f} fits alone, of the found architecture and {len(rows)} of {record.get('num_neighbours')} neighbours"
    )
    best, moved = record.get("best"), record.get("moved")
    if not isinstance(best, Mapping):
        return f"{head}: none was better, so the found one stays"
    change = f"{best.get('decision')} {best.get('before')} → {best.get('after')}"
    if not isinstance(moved, Mapping):
        return f"{head}: {change} looked best, and further seeds did not confirm it, so the found one stays"
    difference = number(moved.get("difference"))
    by = "" if difference is None else f", whose loss is lower by {-difference:.4f} on average with two further seeds"
    return f"{head}: moved to {change}{by}"


def polish_tables(polishes: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A table for each polish, given with the name of its stage: sentence, found one's losses, and rows in words."""
    tables = []
    for stage, record in polishes:
        if words := polish_words(record):
            rows = [row for row in record["neighbours"] if isinstance(row, Mapping)]
            tables.append({"stage": stage, "words": words, "found": _losses(record.get("found")), "rows": _rows(rows)})
    return tables


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **{name: str(row.get(name)) for name in ("decision", "before", "after")},
            "losses": _losses(row),
            "differences": ", ".join(_signed(value) for value in _values(row.get("differences"))),
        }
        for row in rows
    ]


def _losses(record: Any) -> str:
    losses = record.get("losses") if isinstance(record, Mapping) else None
    return ", ".join("diverged" if value is None else f"{value:.4f}" for value in _values(losses))


def _values(by_seed: Any) -> list[float | None]:
    return [number(value) for value in by_seed.values()] if isinstance(by_seed, Mapping) else []


def _signed(value: float | None) -> str:
    return "—" if value is None else f"{value:+.4f}".replace("-", MINUS)
