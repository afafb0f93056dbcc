"""What α says about every possible edge: its leading operation, and by how much each kept operation won.

Pure functions of named α. The comparison is the paper's (section 3.2: raw α over all edges into a feature map); it is
written down here a second time because the report may not import the search, and only to *describe* a choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from degas.architecture import Architecture
from degas.space import ZERO, Slot

Alpha = Mapping[str, Mapping[str, float]]  # edge name "U0->N1" → {operation name: α}


@dataclass(frozen=True)
class EdgeFact:
    """One possible edge. `alpha`, `share` (softmax weight in [0, 1]) and `margin` are None where α is not known.

    `operation` is the kept operation, or the leading candidate of an edge that was dropped. `margin` is α minus the
    α of `rival`, the best candidate that the kept one had to beat; negative when another rule than raw α chose.
    """

    slot: Slot
    kept: bool
    operation: str | None
    alpha: float | None = None
    share: float | None = None
    margin: float | None = None
    rival: str | None = None


def softmax(values: Mapping[str, float]) -> dict[str, float]:
    """Mixing weights of one edge (paper eq. 1), safe for large α."""
    top = max(values.values())
    powers = {name: math.exp(value - top) for name, value in values.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def edge_facts(architecture: Architecture, alpha: Alpha | None, zero_rule: str = "drops_edge") -> tuple[EdgeFact, ...]:
    """One fact per slot of the graph, in the graph's order."""
    kept = {(edge.source, edge.target): edge.operation for edge in architecture.edges}
    facts = []
    for slot in architecture.graph.slots:
        operation = kept.get((slot.source, slot.target))
        values = (alpha or {}).get(slot.name)
        if not values:
            facts.append(EdgeFact(slot, operation is not None, operation))
        elif operation is None:
            leader = max(values, key=lambda name: values[name])
            facts.append(EdgeFact(slot, False, leader, values[leader], softmax(values)[leader]))
        else:
            facts.append(_kept_fact(architecture, slot, operation, alpha or {}, zero_rule))
    return tuple(facts)


def leading_since(history: Sequence[Alpha], epochs: Sequence[int], edge: str) -> int | None:
    """The epoch since which the edge's largest α has belonged to the operation that leads in the end."""
    leaders = [max(record[edge], key=lambda n: record[edge][n]) if record.get(edge) else None for record in history]
    if not leaders or leaders[-1] is None:
        return None
    first = len(leaders) - 1
    while first > 0 and leaders[first - 1] == leaders[-1]:
        first -= 1
    return epochs[first]


def _kept_fact(architecture: Architecture, slot: Slot, operation: str, alpha: Alpha, zero_rule: str) -> EdgeFact:
    values = alpha[slot.name]
    if operation not in values:
        return EdgeFact(slot, True, operation)
    candidates = _rivals(architecture, slot, alpha, zero_rule)
    others = {(edge, name): value for edge, name, value in candidates if (edge, name) != (slot.name, operation)}
    best = max(others, key=lambda key: others[key], default=None)
    share = softmax(values)[operation]
    if best is None:
        return EdgeFact(slot, True, operation, values[operation], share)
    rival = f"{best[1]} on {best[0].replace('->', '→')}"
    return EdgeFact(slot, True, operation, values[operation], share, values[operation] - others[best], rival)


def _rivals(architecture: Architecture, slot: Slot, alpha: Alpha, zero_rule: str) -> list[tuple[str, str, float]]:
    """Candidates that a kept edge was compared with: (edge, operation, α).

    A direct edge kept beside a residual one came from the second stage, which looks at the direct edge alone. Where
    `zero` drops an edge, a residual operation has the `zero` of its own edge to beat as well.
    """
    second_stage = slot.direct and len(architecture.incoming(slot.target)) > 1
    slots = [slot] if second_stage else architecture.graph.incoming(slot.target)
    rivals = []
    for other in slots:
        values = alpha.get(other.name, {})
        dropped = bool(values) and zero_rule == "drops_edge" and max(values, key=lambda n: values[n]) == ZERO
        if dropped and other != slot:
            continue
        zero_counts = other == slot and zero_rule == "drops_edge"
        rivals += [(other.name, name, value) for name, value in values.items() if name != ZERO or zero_counts]
    return rivals
