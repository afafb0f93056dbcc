"""The page's section on a contest (docs/contest.md): the verdict, the finalists, and each operation's effect.

It reads candidates.json, rungs.json, effects.json and verdict.json of RUN/contest. Malformed entries are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from degas.report.decisions import by_losses
from degas.report.reader import Record
from degas.runtime.json_files import number

PAPERS_ORDER = "normal-up"
METRICS = {"fid": "Fréchet distance", "kid": "KID"}


@dataclass
class ContestFiles:
    """The contents of a contest's files; empty where there is none."""

    candidates: list[Record] = field(default_factory=list)
    rungs: list[Record] = field(default_factory=list)
    effects: Record = field(default_factory=dict)
    verdict: Record = field(default_factory=dict)


def contest_section(files: ContestFiles, pruning: Mapping[str, Any], order: str) -> dict[str, Any] | None:
    """Return the section's contents; None for a run without a contest.

    `pruning`: the search's pruning.json. `order`: the search's order within a stage; effects are named by the edges of
    the paper's order, so that losses of edges in the other one do not stand beside them.
    """
    if not files.candidates:
        return None
    pruning = pruning if order == PAPERS_ORDER else {}
    return {
        "count": len(files.candidates),
        "comparisons": comparisons(files.verdict),
        "finalists": finalists(files),
        "effects": effects_by_edge(files.effects, pruning),
        "error": _error(files.effects),
        "state": _state(files),
    }


def comparisons(verdict: Mapping[str, Any]) -> list[dict[str, str]]:
    """The comparisons of verdict.json: opponent, what is equal, metric, difference, interval, seeds, verdict."""
    rows = []
    listed = [(record, "steps") for record in _objects(verdict.get("comparisons"))]
    listed += [(record, "processor time") for record in _objects(verdict.get("equal_time"))]
    for record, equal in listed:
        found = [number(record.get(key)) for key in ("difference", "low", "high", "num_seeds")]
        if None not in found:
            difference, low, high, seeds = (value or 0.0 for value in found)
            rows.append(
                {
                    "against": str(record.get("against")),
                    "equal": equal,
                    "metric": METRICS.get(str(record.get("metric")), str(record.get("metric"))),
                    "difference": _signed(difference),
                    "interval": f"{_signed(low)} to {_signed(high)}",
                    "seeds": f"{seeds:.0f}",
                    "verdict": str(record.get("verdict")),
                }
            )
    return rows


def finalists(files: ContestFiles) -> list[dict[str, Any]]:
    """The standings of the last rung, best first: name, family, origin, parameters, scores by seed, and the winner."""
    by_name = {str(one.get("name")): one for one in chain(files.candidates, *map(_added, files.rungs))}
    rows = []
    for record in _objects(files.rungs[-1].get("standings")) if len(files.rungs) > 2 else []:
        candidate = by_name.get(str(record.get("name")), {})
        count, scores = number(candidate.get("num_parameters")), record.get("scores")
        values = [number(value) for value in scores.values()] if isinstance(scores, dict) else []
        rows.append(
            {
                "name": str(record.get("name")),
                "family": str(record.get("family")),
                "proposed_by": str(candidate.get("proposed_by", "model")),
                "num_parameters": f"{count:,.0f}" if count is not None else "",
                "scores": ", ".join(f"{value:.4g}" for value in values if value is not None),
                "won": record.get("promoted") is True,
                "why": str(record.get("why") or ""),
            }
        )
    return rows


def effects_by_edge(effects: Mapping[str, Any], pruning: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Edge by edge its operations, least effect first, with the search's loss relative to the edge's mean.

    Bars are in percent of the figure's half width, which is the largest effect of all.
    """
    slots = {**_map(effects.get("effects")), "order within a stage": effects.get("order")}
    found = {slot: known for slot, of_slot in slots.items() if (known := _effects(_map(of_slot)))}
    largest = max((abs(effect) for of_slot in found.values() for effect, _ in of_slot.values()), default=0.0) or 1.0
    values = _map(pruning.get("values")) if by_losses(pruning) else {}
    return [
        {
            "slot": slot,
            "rows": [
                {
                    "operation": name,
                    "effect": _signed(effect),
                    "se": f"{error:.2g}",
                    "clear": abs(effect) > 2 * error,
                    "width": 50 * abs(effect) / largest,
                    "better": effect < 0,
                    "loss": _signed(losses[name]) if name in losses else "",
                }
                for name, (effect, error) in sorted(of_slot.items(), key=lambda item: item[1][0])
            ],
        }
        for slot, of_slot in found.items()
        for losses in [_relative_losses(_map(values.get(slot)))]
    ]


def _effects(of_slot: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Operation → effect and standard error, of the well-formed ones."""
    pairs = {name: (number(_map(one).get("effect")), number(_map(one).get("se"))) for name, one in of_slot.items()}
    return {name: (effect, se) for name, (effect, se) in pairs.items() if effect is not None and se is not None}


def _relative_losses(values: Mapping[str, Any]) -> dict[str, float]:
    """Operation → its loss minus the mean over the edge; compared values are losses with the sign reversed."""
    known = {name: found for name, value in values.items() if (found := number(value)) is not None}
    mean = sum(known.values()) / len(known) if known else 0.0
    return {name: mean - value for name, value in known.items()}


def _error(effects: Mapping[str, Any]) -> str:
    """How well the additive model predicts a candidate that it has not seen."""
    error, spread = number(effects.get("left_out_error")), number(effects.get("spread"))
    if error is None or spread is None:
        return ""
    return f"The model misses a candidate that it has not seen by {error:.3g}; without a model it is {spread:.3g}."


def _state(files: ContestFiles) -> str:
    decided = sum(bool(_objects(rung.get("standings"))) for rung in files.rungs)
    return "" if decided >= 3 else f"Not finished: {decided} of 3 rungs are decided."


def _added(rung: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _objects(rung.get("added"))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")
