"""The decisions of an architecture with their options, and the architectures one decision away from it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import NO_EDGE, Alpha, Compare, choices, node_options


@dataclass(frozen=True)
class Neighbour:
    """An architecture's edges with one decision changed to another option.

    `decision` and `option` have the names of `pruning.choices`: `N1 direct` and `conv_3x3`, `U1 residual` and `none`.
    """

    decision: str
    option: str
    edges: tuple[Edge, ...]

    @property
    def file_name(self) -> str:
        """`N1-direct-conv_3x3`, `U1-residual-U0-deconv_4x4`, `U1-residual-none`."""
        edge, _, operation = self.option.rpartition(" ")
        source = f"{edge.partition('->')[0]}-" if edge else ""
        return f"{self.decision.replace(' ', '-')}-{source}{operation}"


def decision_options(space: SearchSpace) -> dict[str, tuple[Edge | None, ...]]:
    """Decision → its options, in the order of the graph: 9 decisions in the paper's space.

    A node's direct edge takes one of its operations; its residual edge, where it may have one, is a source with an
    operation or None. Choosing all uniformly draws uniformly from the discrete space.
    """
    found: dict[str, tuple[Edge | None, ...]] = {}
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        found[f"{node} direct"] = tuple(Edge(direct.source, node, name) for name in space.operations(direct))
        others = [Edge(s.source, node, name) for s in residual for name in space.operations(s) if name != ZERO]
        if others:
            found[f"{node} residual"] = (None, *others)
    return found


def neighbours(edges: Sequence[Edge], space: SearchSpace) -> list[Neighbour]:
    """Return every architecture of `space` that differs from `edges` in one decision, in the order of the graph.

    `edges` may hold operations that the space does not offer; they stay where their decision is not the changed one.
    """
    place = {(slot.source, slot.target): number for number, slot in enumerate(space.slots)}
    found = []
    for decision, options in decision_options(space).items():
        node, part = decision.split(" ")
        direct = space.incoming(node)[0].source
        rest = [e for e in edges if e.target != node or (e.source == direct) != (part == "direct")]
        for option in options:
            kept = sorted([*rest, *([option] if option else [])], key=lambda e: place[e.source, e.target])
            if set(kept) != set(edges):
                found.append(Neighbour(decision, option_name(option, part), tuple(kept)))
    return found


def num_neighbours(space: SearchSpace) -> int:
    """The number of architectures one decision away from any one of the space."""
    return sum(len(options) - 1 for options in decision_options(space).values())


def option_name(edge: Edge | None, part: str) -> str:
    """`conv_3x3` of a direct decision, `U0->U1 deconv_4x4` or `none` of a residual one."""
    if edge is None:
        return NO_EDGE
    return edge.operation if part == "direct" else f"{edge.source}->{edge.target} {edge.operation}"


def option_values(values: Alpha, space: SearchSpace, compare: Compare) -> dict[str, dict[str, float]]:
    """Decision → option → the value that the search compared (larger is better)."""
    found: dict[str, dict[str, float]] = {}
    for node in space.searched_nodes:
        # `zero` is ignored: an option that a search drops because of it has a value, too.
        firsts, seconds = node_options(values, space, node, compare=compare, zero_rule="ignored")
        found[f"{node} direct"] = {option_name(edge, "direct"): value for edge, value in firsts}
        if len(seconds) > 1:
            found[f"{node} residual"] = {option_name(edge, "residual"): value for edge, value in seconds}
    return found


def changed(edges: Sequence[Edge], others: Sequence[Edge], space: SearchSpace) -> dict[str, str]:
    """The decisions in which `others` differ from `edges`, each with the option of `others`."""
    before, after = choices(tuple(edges), space), choices(tuple(others), space)
    return {decision: option for decision, option in after.items() if option != before[decision]}
