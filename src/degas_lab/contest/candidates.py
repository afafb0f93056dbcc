"""A candidate of the contest, its decisions, and its family. No torch.

Candidates may have either order within a stage. For the model of effects both orders share one set of decisions: an
edge is named by the edge of the paper's order with the same role (stage, kind, place), and the order is one more
decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from degas.space.graph import ORDERS, Edge, Order, SearchSpace, Slot
from degas_lab.fits.evolution import decisions

MIXED = "mixed"
Choices = Mapping[str, str]  # decision → option, `U1 residual` → `U0->U1 nearest_conv_1x1` or `none`
NONE = "none"


@dataclass(frozen=True)
class Candidate:
    """An architecture by edges and order, with everything known before training.

    `proposed_by`: `glo` (best of a family), `glo second`, `found` (the search's own), `draw`, `model` (new in a later
    rung), or a shipped architecture's name. `glo_value`: the sum of the search's values over its decisions (higher is
    better), comparable only within a family.
    """

    name: str
    order: Order
    edges: tuple[Edge, ...]
    proposed_by: str
    glo_value: float
    num_parameters: int
    multiply_adds: int

    @property
    def family(self) -> str:
        return family_of(self.order, self.edges)

    def to_dict(self) -> dict[str, Any]:
        nodes: dict[str, list[dict[str, str]]] = {}
        for edge in self.edges:
            nodes.setdefault(edge.target, []).append({"from": edge.source, "operation": edge.operation})
        return {
            "name": self.name,
            "family": self.family,
            "proposed_by": self.proposed_by,
            "glo_value": self.glo_value,
            "num_parameters": self.num_parameters,
            "multiply_adds": self.multiply_adds,
            "order": self.order,
            "nodes": nodes,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Candidate:
        nodes = data["nodes"].items()
        edges = tuple(Edge(one["from"], node, one["operation"]) for node, incoming in nodes for one in incoming)
        known = ("name", "order", "proposed_by", "glo_value", "num_parameters", "multiply_adds")
        return cls(edges=edges, **{name: data[name] for name in known})


def family_of(order: Order, edges: Iterable[Edge]) -> str:
    """`up-normal/nearest/residual/conv`: order, kind of the up edges, residual or none, kind of the normal edges."""
    edges = tuple(edges)
    up = _shared(up_kind(edge.operation) for edge in edges if up_kind(edge.operation))
    normal = _shared(normal_kind(edge.operation) for edge in edges if normal_kind(edge.operation))
    targets = [edge.target for edge in edges]
    return "/".join((order, up, "residual" if len(set(targets)) < len(targets) else "direct", normal))


def up_kind(operation: str) -> str:
    """The up-sampling of an up operation, `nearest`, `bilinear`, …, or a deconvolution's name; '' for others."""
    if operation.startswith("deconv"):
        return operation
    return operation.partition("_conv")[0] if operation.startswith(("nearest", "bilinear")) else ""


def normal_kind(operation: str) -> str:
    """`conv`, `separable`, `dilated`, or `pool` for operations without weights; '' for an up operation."""
    kinds = {"conv": "conv", "sep": "separable", "dil": "dilated", "max": "pool", "avg": "pool", "skip": "pool"}
    return "" if up_kind(operation) else kinds.get(operation.partition("_")[0], operation)


def counterparts(space: SearchSpace, order: Order) -> dict[str, Slot]:
    """Slot name of `space` → the slot with the same role in another order."""
    other = _by_role(replace(space, order=order))
    return {slot.name: other[role] for role, slot in _by_role(space).items()}


def moved(edges: Iterable[Edge], space: SearchSpace, order: Order) -> tuple[Edge, ...]:
    """The edges of `space` with the same roles in another order."""
    table = counterparts(space, order)
    slots = [(table[f"{edge.source}->{edge.target}"], edge.operation) for edge in edges]
    return tuple(Edge(slot.source, slot.target, operation) for slot, operation in slots)


def orders_of(space: SearchSpace) -> tuple[Order, ...]:
    """The distinct orders; without normal maps there is only one."""
    return ORDERS if space.num_normal else (space.order,)


def options(space: SearchSpace) -> dict[str, tuple[str, ...]]:
    """Decision → its options, for candidates of both orders."""
    table = {"order": tuple(orders_of(space))} if len(orders_of(space)) > 1 else {}
    return {**table, **{name: tuple(map(_edge_text, edges)) for name, edges in _decisions(space).items()}}


def choices(candidate: Candidate, space: SearchSpace) -> dict[str, str]:
    """Decision → the candidate's option."""
    kept = moved(candidate.edges, replace(space, order=candidate.order), "normal-up")
    found = {"order": str(candidate.order)} if len(orders_of(space)) > 1 else {}
    for name, edges in _decisions(space).items():
        found[name] = _edge_text(next((edge for edge in kept if edge in edges), None))
    return found


def built(chosen: Choices, space: SearchSpace) -> tuple[Order, tuple[Edge, ...]]:
    """Order and edges with these choices: the inverse of `choices`."""
    paper = replace(space, order="normal-up")
    order: Order = "up-normal" if chosen.get("order", space.order) == "up-normal" else "normal-up"
    table = _decisions(space)
    kept = [edge for name, edges in table.items() for edge in edges if edge and _edge_text(edge) == chosen[name]]
    return order, _sorted(moved(kept, paper, order), replace(space, order=order))


def _decisions(space: SearchSpace) -> dict[str, tuple[Edge | None, ...]]:
    found = decisions(replace(space, order="normal-up"))
    return {f"{_target(edges)} {'residual' if edges[0] is None else 'direct'}": edges for edges in found}


def _target(edges: tuple[Edge | None, ...]) -> str:
    return next(edge.target for edge in edges if edge is not None)


def _edge_text(edge: Edge | None) -> str:
    return NONE if edge is None else f"{edge.source}->{edge.target} {edge.operation}"


def _sorted(edges: Iterable[Edge], space: SearchSpace) -> tuple[Edge, ...]:
    place = {slot.name: number for number, slot in enumerate(space.slots)}
    return tuple(sorted(edges, key=lambda edge: place[f"{edge.source}->{edge.target}"]))


def _by_role(space: SearchSpace) -> dict[tuple[int, str, int], Slot]:
    """(stage, kind, number) → slot. The slots of one kind in a stage have the same sequence in both orders."""
    found: dict[tuple[int, str, int], Slot] = {}
    for slot in space.slots:
        stage = int(slot.target[1:].partition(".")[0])
        number = sum(key[:2] == (stage, slot.kind) for key in found)
        found[stage, slot.kind, number] = slot
    return found


def _shared(kinds: Iterable[str]) -> str:
    found = set(kinds)
    return found.pop() if len(found) == 1 else MIXED if found else NONE
