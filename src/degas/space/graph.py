"""The search space as a graph: feature maps, possible edges, and their operations. Standard library only.

Feature maps (nodes) are `U0 … US` (up-sampled) and `N1 … NS` (normal; `N1.1, N1.2 …` if there are several between two
up-sampled maps). In each stage the normal maps come before the up-sampling, as in the paper, or after it (`Order`). A
*slot* is a possible edge between two nodes; an `Edge` is a slot with an operation.
Paper section 3.2 and Figure 2.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from degas.errors import UserError, nearest

ZERO = "zero"  # the absence of a residual edge: a candidate in the search, never an operation of an architecture

Kind = Literal["normal", "up"]
# The order within a stage: normal maps, then up-sampling (the paper's), or up-sampling, then normal maps.
Order = Literal["normal-up", "up-normal"]
ORDERS: tuple[Order, ...] = ("normal-up", "up-normal")
Share = Literal["none", "stages"]  # whether the stages of a search have α of their own, or one for each role

# The operation names of architecture files, and the kind of edge for each. `nets/operations.py` implements them;
# `register_operation` there adds to both tables.
OPERATION_KINDS: dict[str, Kind] = {
    "conv_1x1": "normal",
    "conv_3x3": "normal",
    "max_pool_3x3": "normal",
    "avg_pool_3x3": "normal",
    "skip": "normal",
    "sep_conv_3x3": "normal",
    "sep_conv_5x5": "normal",
    "dil_conv_3x3": "normal",
    "dil_conv_5x5": "normal",
    "deconv_4x4": "up",
    "deconv_6x6": "up",
    "nearest_conv_1x1": "up",
    "nearest_conv_3x3": "up",
}
NORMAL_OPERATIONS = tuple(name for name, kind in OPERATION_KINDS.items() if kind == "normal")
UP_OPERATIONS = tuple(name for name, kind in OPERATION_KINDS.items() if kind == "up")
# Further operations, which a space has only on request: the paper's space has those above.
OPERATION_KINDS.update({"nearest_conv_5x5": "up", "bilinear_conv_3x3": "up"})

# Inclusive bounds of the numbers in an architecture file, so that a hostile file is rejected before memory is allocated
# (our choice: generous for image generators, small enough that building one cannot exhaust a machine).
LIMITS = {
    "num_stages": (1, 8),
    "num_normal": (0, 8),
    "base_size": (1, 64),
    "width": (1, 2048),
    "noise_size": (1, 8192),
    "channels": (1, 4),
}
MAX_IMAGE_SIZE = 1024


@dataclass(frozen=True)
class Slot:
    """A possible edge of the graph.

    `factor` is the up-sampling factor (1 for a normal edge); `stage` is the number of ×2 stages below the source, so
    the source is base_size·2^stage pixels wide. `direct` is True for the edge from the node immediately before.
    """

    source: str
    target: str
    kind: Kind
    direct: bool
    factor: int
    stage: int

    @property
    def name(self) -> str:
        return f"{self.source}->{self.target}"


@dataclass(frozen=True)
class SearchSpace:
    """S up-sampling stages with n normal maps each, and the candidate operations of each kind of edge.

    With `share` stages, edges of one role (`role`) have one α in all stages, so that a search finds a cell, as DARTS
    does, instead of the whole graph.

    With `prefix`, the edges of the first stages are given (`space/prefix.py` makes such a space from an architecture):
    their maps have these edges and no others, and only the later maps are searched.

    With `order` up-normal a stage's normal maps are twice as large as the map at its start, as in a residual block of
    CT-GAN's generator. Residual edges join the same maps in both orders.
    """

    num_stages: int = 3
    num_normal: int = 1
    normal_operations: tuple[str, ...] = NORMAL_OPERATIONS
    up_operations: tuple[str, ...] = UP_OPERATIONS
    order: Order = "normal-up"
    share: Share = "none"
    prefix: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        for name in ("num_stages", "num_normal"):
            check_limit("search space", name, getattr(self, name))
        if self.order not in ORDERS:
            raise UserError(f"search space: order must be {' or '.join(map(repr, ORDERS))}, not {short(self.order)}")
        _check_operations("normal", self.normal_operations)
        _check_operations("up", self.up_operations)
        if self.prefix and not self._has_whole_prefix():
            raise UserError(
                "search space: a prefix gives all direct edges up to a map U_k, and U_k is not the last one"
            )

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Node names in order of computation."""
        names = ["U0"]
        for stage in range(1, self.num_stages + 1):
            names += [self._normal(stage, k) for k in range(1, self.num_normal + 1)] + [f"U{stage}"]
        return tuple(names)

    @cached_property
    def searched_nodes(self) -> tuple[str, ...]:
        """The nodes whose edges are not given: all but U0 without a prefix."""
        given = {edge.target for edge in self.prefix}
        return tuple(node for node in self.nodes[1:] if node not in given)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every possible edge, by target node, direct first, then by source; this order also breaks ties."""
        place = {node: k for k, node in enumerate(self.nodes)}
        slots = [slot for stage in range(1, self.num_stages + 1) for slot in self._stage_slots(stage)]
        possible = [slot for slot in slots if self.is_searched(slot) or slot.name in self._given]
        return tuple(sorted(possible, key=lambda slot: (place[slot.target], not slot.direct, place[slot.source])))

    @cached_property
    def searched_slots(self) -> tuple[Slot, ...]:
        """The possible edges into searched nodes, which alone have α."""
        return tuple(slot for slot in self.slots if self.is_searched(slot))

    def is_searched(self, slot: Slot) -> bool:
        """Return whether the search decides the edge; otherwise the prefix gives it, or leaves it out."""
        return slot.target in self.searched_nodes

    def _has_whole_prefix(self) -> bool:
        """Return whether the prefix fills whole stages, with edges of the graph, and leaves some to the search."""
        given = [slot for slot in self.slots if not self.is_searched(slot)]
        direct = [slot.target for slot in given if slot.direct]
        stages = stage_of(direct[-1]) if direct else 0
        fills = direct == [node for node in self.nodes[1:] if stage_of(node) <= stages]
        return fills and 0 < stages < self.num_stages and len(given) == len(self.prefix)

    @cached_property
    def _given(self) -> dict[str, str]:
        """Slot name → operation, of the prefix."""
        return {f"{edge.source}->{edge.target}": edge.operation for edge in self.prefix}

    def _stage_slots(self, stage: int) -> list[Slot]:
        """The edges of a stage: one direct up edge, a chain of normal maps of one size, and the residual up edges."""
        last = f"U{stage}"
        maps = [f"U{stage - 1}", *(self._normal(stage, k) for k in range(1, self.num_normal + 1)), last]
        up_first = self.order == "up-normal"
        up, chain, level = (maps[:2], maps[1:], stage) if up_first else (maps[-2:], maps[:-1], stage - 1)
        slots = [Slot(up[0], up[1], "up", True, 2, stage - 1)]
        for k, target in enumerate(chain):
            slots += [Slot(source, target, "normal", source == chain[k - 1], 1, level) for source in chain[:k]]
        # Residual up edges come from the two previous up-sampled maps; with n = 0 the edge from the nearer is direct.
        sources = [s for s in (stage - 2, stage - 1) if s >= 0 and (f"U{s}", last) != tuple(up)]
        return slots + [Slot(f"U{s}", last, "up", False, 2 ** (stage - s), s) for s in sources]

    def incoming(self, node: str) -> tuple[Slot, ...]:
        """The possible edges into `node`, direct first."""
        return tuple(slot for slot in self.slots if slot.target == node)

    def operations(self, slot: Slot) -> tuple[str, ...]:
        """The candidates of an edge, in table order; residual edges have `zero` as the last one. A given edge: one."""
        if slot.name in self._given:
            return (self._given[slot.name],)
        names = self.normal_operations if slot.kind == "normal" else self.up_operations
        return names if slot.direct else (*names, ZERO)

    def role(self, slot: Slot) -> str:
        """The place of an edge in its stage, such as `start->N`, `N->end`, `start->end`, `before->end`.

        `start` is the up-sampled map at the beginning of the stage, `before` the one at the beginning of the stage
        before, `end` the one at the end. Without `share` every edge is a role of its own.
        """
        if self.share == "none":
            return slot.name
        stage = stage_of(slot.target)
        places = {f"U{stage}": "end", f"U{stage - 1}": "start", f"U{stage - 2}": "before"}
        places |= {self._normal(stage, k): f"N{k}" for k in range(1, self.num_normal + 1)}
        return f"{places[slot.source]}->{places[slot.target]}"

    @cached_property
    def roles(self) -> dict[str, tuple[Slot, ...]]:
        """Role → its edges, in the order of the searched slots; their candidates are the same."""
        found: dict[str, tuple[Slot, ...]] = {}
        for slot in self.searched_slots:
            found[self.role(slot)] = (*found.get(self.role(slot), ()), slot)
        return found

    def count_continuous(self) -> int:
        """Number of ways to choose one candidate for every α: 145,800,000 for the paper's space, as in the paper."""
        return math.prod(len(self.operations(slots[0])) for slots in self.roles.values())

    def count_discrete(self) -> int:
        """Number of architectures that pruning can return: 18,895,680 for the paper's space (the paper: 8,890,560).

        A node keeps one direct operation, alone or with one residual operation.
        """
        if self.share == "stages":
            return self._count_cells()
        total = 1
        for node in self.searched_nodes:
            direct, *residual = self.incoming(node)
            residual_choices = sum(len(self.operations(slot)) - 1 for slot in residual)
            total *= len(self.operations(direct)) * (1 + residual_choices)
        return total

    def _count_cells(self) -> int:
        """Number of architectures of a search with shared α.

        The last stage has every role. If it keeps an edge that the first stage lacks, the first stage decides among its
        other edges: whether one of them comes before the direct operation, and which.
        """
        first, last = (self._residuals(stage) for stage in (1, self.num_stages))
        total = 1
        for place, (direct, residual) in last.items():
            known = first[place][1]
            lacking = residual - known
            total *= direct * (1 + known + lacking * (1 + known))
        return total

    def _residuals(self, stage: int) -> dict[str, tuple[int, int]]:
        """Place of each node in a stage → number of direct operations and of residual ones with their source."""
        found = {}
        for node in self.nodes[1:]:
            if stage_of(node) == stage:
                direct, *residual = self.incoming(node)
                place = "end" if node == f"U{stage}" else node.partition(".")[2]
                found[place] = (len(self.operations(direct)), sum(len(self.operations(s)) - 1 for s in residual))
        return found

    def draw(self, seed: int) -> tuple[Edge, ...]:
        """The edges of an architecture drawn uniformly from the discrete space; `share` has no effect here."""
        rng = random.Random(f"degas random architecture {seed}")
        edges = list(self.prefix)
        for node in self.searched_nodes:
            direct, *residual = self.incoming(node)
            edges.append(Edge(direct.source, node, rng.choice(self.operations(direct))))
            choices = [(s, name) for s in residual for name in self.operations(s) if name != ZERO]
            pick = rng.randrange(1 + len(choices))
            if pick:
                slot, name = choices[pick - 1]
                edges.append(Edge(slot.source, node, name))
        return tuple(edges)

    def _normal(self, stage: int, k: int) -> str:
        return f"N{stage}" if self.num_normal == 1 else f"N{stage}.{k}"


@dataclass(frozen=True)
class Edge:
    """A kept edge: its operation maps `source` to `target`."""

    source: str
    target: str
    operation: str


def stage_of(node: str) -> int:
    """The stage that a node belongs to: 0 for U0, 1 for N1 and U1."""
    return int(node[1:].partition(".")[0])


def _check_operations(kind: Kind, names: tuple[str, ...]) -> None:
    if not names:
        raise UserError(f"search space: at least one {kind} operation is needed")
    if len(set(names)) != len(names):
        raise UserError(f"search space: one of the {kind} operations is listed twice in {', '.join(names)}")
    valid = [name for name, its_kind in OPERATION_KINDS.items() if its_kind == kind]
    for name in names:
        if name not in valid:
            raise UserError(f"search space: unknown {kind} operation {name!r}{nearest(name, valid)}")


def check_limit(where: str, name: str, value: Any) -> None:
    low, high = LIMITS[name]
    if type(value) is not int or not low <= value <= high:
        raise UserError(f"{where}: {name} must be a whole number from {low} to {high}, not {short(value)}")


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
