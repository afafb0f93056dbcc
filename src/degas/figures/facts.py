"""The facts of a finished search about every possible edge: the kept operation, the decision, and α.

The choice and α are kept apart: the kept operation of an edge need not have its largest α (by default losses decide).
The decisions are read from pruning.json, as the search wrote them; nothing here prunes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from degas.space.architecture import Architecture
from degas.space.graph import Edge, Slot

Alpha = Mapping[str, Mapping[str, float]]  # edge name "U0->N1" → {operation name: α}


@dataclass(frozen=True)
class DecisionFact:
    """One choice of the search from pruning.json: `N1 direct`, `U1 residual`.

    `margin` is the advantage of the choice over `runner_up`, in the units of the rule's values; `before` is the loss
    with all operations of the node, if losses decided. Unknown values are None.
    """

    name: str
    choice: str
    runner_up: str = ""
    margin: float | None = None
    before: float | None = None


@dataclass(frozen=True)
class EdgeFact:
    """One possible edge.

    `operation` is the kept one, None for a dropped edge; `leader` has the edge's largest α. `alpha` and `share`
    (softmax weight in [0, 1]) belong to the kept operation, or to the leader of a dropped edge. `decision` is the one
    that kept the operation. `given`: the prefix of the search has the edge, nobody decided it. Unknown values are None.
    """

    slot: Slot
    operation: str | None
    leader: str | None = None
    alpha: float | None = None
    share: float | None = None
    decision: DecisionFact | None = None
    given: bool = False

    @property
    def kept(self) -> bool:
        return self.operation is not None

    @property
    def leads(self) -> bool:
        """Return whether the kept operation has the largest α."""
        return self.kept and self.operation == self.leader


def softmax(values: Mapping[str, float]) -> dict[str, float]:
    """Mixing weights of one edge (paper eq. 1), safe for large α."""
    top = max(values.values())
    powers = {name: math.exp(value - top) for name, value in values.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def leader_of(values: Mapping[str, float]) -> str:
    """The operation with the largest α of an edge; the first of equal ones."""
    return max(values, key=lambda name: values[name])


def edge_facts(
    architecture: Architecture, alpha: Alpha | None = None, decisions: Sequence[DecisionFact] = ()
) -> tuple[EdgeFact, ...]:
    """One fact per possible edge, in the graph's order: edges that a prefix of the search lacks were not possible."""
    kept = {(edge.source, edge.target): edge for edge in architecture.edges}
    facts = []
    for slot in architecture.graph.slots:
        edge = kept.get((slot.source, slot.target))
        if architecture.is_given(slot.target):
            facts += [EdgeFact(slot, edge.operation, given=True)] if edge else []
            continue
        operation = edge.operation if edge else None
        decision = _decision_of(edge, slot, decisions) if edge else None
        values = (alpha or {}).get(slot.name)
        leader = leader_of(values) if values else None
        shown = operation or leader
        if values and shown is not None and shown in values:
            facts.append(EdgeFact(slot, operation, leader, values[shown], softmax(values)[shown], decision))
        else:
            facts.append(EdgeFact(slot, operation, leader, decision=decision))
    return tuple(facts)


def leading_since(history: Sequence[Alpha], epochs: Sequence[int], edge: str, operation: str) -> int | None:
    """The epoch from which `operation` has the edge's largest α until the end; None if it ends without it."""
    since = None
    for record, epoch in zip(reversed(history), reversed(epochs), strict=True):
        if not record.get(edge) or leader_of(record[edge]) != operation:
            break
        since = epoch
    return since


def _decision_of(edge: Edge, slot: Slot, decisions: Sequence[DecisionFact]) -> DecisionFact | None:
    """The decision that chose `edge`; None if another rule overruled it."""
    name = f"{slot.target} {'direct' if slot.direct else 'residual'}"
    choice = edge.operation if slot.direct else f"{slot.name} {edge.operation}"
    return next((one for one in decisions if (one.name, one.choice) == (name, choice)), None)
