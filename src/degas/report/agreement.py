"""The page's section on several searches, from agreement.json: a sentence, and one row per decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas.figures.agreement import agreement_text
from degas.runtime.json_files import number


def agreement_section(agreement: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the section's contents: the sentence and one row per decision; None for a run of one search."""
    words = agreement_text(agreement)
    return {"words": words, "rows": agreement_rows(agreement)} if words else None


def agreement_rows(agreement: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The well-formed decisions: name, consensus, share of seeds and of pairs in words, choices by seed, margins."""
    found = agreement.get("decisions")
    rows = []
    for record in found if isinstance(found, list) else []:
        shares = [number(record.get(name)) for name in ("share_of_seeds", "share_of_pairs")] if _is_map(record) else []
        if len(shares) != 2 or None in shares or not _is_map(record.get("choices")):
            continue
        margins = record["margins"].values() if _is_map(record.get("margins")) else ()
        known = [value for value in map(number, margins) if value is not None]
        rows.append(
            {
                "name": str(record.get("name")),
                "consensus": str(record.get("consensus")),
                "seeds": f"{100 * (shares[0] or 0):.0f} %",
                "pairs": f"{100 * (shares[1] or 0):.0f} %",
                "others": _others(record),
                "margins": f"{min(known):.3f} to {max(known):.3f}" if known else "",
            }
        )
    return rows


def _others(record: Mapping[str, Any]) -> str:
    """The seeds with another choice: `max_pool_3x3 (seeds 1, 4)`."""
    by_choice: dict[str, list[str]] = {}
    for seed, choice in record["choices"].items():
        if choice != record.get("consensus"):
            by_choice.setdefault(str(choice), []).append(str(seed))
    return "; ".join(
        f"{choice} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})" for choice, seeds in by_choice.items()
    )


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)
