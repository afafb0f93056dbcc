"""Every architecture of a small space, one by one: the oracle of `degas.nas.decide.capped`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from degas.space.graph import ZERO, Edge, SearchSpace

Alpha = Mapping[str, Mapping[str, float]]


def every_architecture(space: SearchSpace) -> Iterator[tuple[Edge, ...]]:
    per_node = []
    for node in space.nodes[1:]:
        direct, *residual = space.incoming(node)
        ways = []
        for first in space.operations(direct):
            ways.append((Edge(direct.source, node, first),))
            for slot in residual:
                for second in space.operations(slot):
                    if second != ZERO:
                        ways.append((Edge(direct.source, node, first), Edge(slot.source, node, second)))
        per_node.append(ways)
    for combination in itertools.product(*per_node):
        yield tuple(edge for ways in combination for edge in ways)


def value(edges: tuple[Edge, ...], alpha: Alpha, space: SearchSpace) -> float | None:
    """The sum over the decisions; None for a residual edge whose largest α is zero's, which is no candidate."""
    total = 0.0
    kept = {(edge.source, edge.target): edge.operation for edge in edges}
    for node in space.nodes[1:]:
        direct, *residual = space.incoming(node)
        total += alpha[direct.name][kept[direct.source, node]]
        instead = max(alpha[direct.name].values())
        for slot in residual:
            operation = kept.get((slot.source, node))
            if operation is not None:
                if alpha[slot.name][ZERO] > max(v for name, v in alpha[slot.name].items() if name != ZERO):
                    return None
                instead = alpha[slot.name][operation]
        total += instead
    return total
