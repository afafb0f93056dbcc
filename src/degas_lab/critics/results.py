"""The results of a search for a critic: the decisions by the largest mixing weight, and the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas_lab.critics.space import CriticSpace


def decide(weights: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """One object a place: `choice` with the largest mixing weight, `runner_up`, and the `margin` between the two.

    Of equal weights the first in the space's order is chosen.
    """
    found = []
    for place, values in weights.items():
        order = sorted(values, key=lambda name: -values[name])  # stable
        runner_up = order[1] if len(order) > 1 else None
        margin = values[order[0]] - values[runner_up] if runner_up is not None else None
        found.append({"place": place, "choice": order[0], "runner_up": runner_up, "margin": margin})
    return found


def by_name(space: CriticSpace, values: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Place → operation → value, of tensors (K,) by place."""
    return {
        slot.name: dict(zip(space.operations(slot), values[slot.name].tolist(), strict=True)) for slot in space.slots
    }


def choices_of(decisions: list[dict[str, Any]]) -> dict[str, str]:
    """Place → chosen operation."""
    return {one["place"]: one["choice"] for one in decisions}


def in_words(decisions: list[dict[str, Any]]) -> str:
    """One line a place: the operation, and its margin."""
    width = max(len(one["place"]) for one in decisions)
    lines = []
    for one in decisions:
        over = "" if one["runner_up"] is None else f"  {one['margin']:.3f} over {one['runner_up']}"
        lines.append(f"{one['place']:<{width}}  {one['choice']:<16}{over}")
    return "\n".join(lines)
