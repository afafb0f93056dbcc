"""The smallest and the largest architecture of a space, by parameters."""

from __future__ import annotations

from degas.nets.cost import operation_cost
from degas.space.graph import ZERO, Edge, SearchSpace


def extreme_edges(space: SearchSpace, width: int, largest: bool) -> tuple[Edge, ...]:
    """The architecture with the most or the fewest parameters. An operation's parameters do not depend on map size."""
    edges = list(space.prefix)
    for node in space.searched_nodes:
        direct, *residual = space.incoming(node)
        for slot in [direct, *residual[:1]] if largest else [direct]:
            names = [name for name in space.operations(slot) if name != ZERO]
            costs = {name: operation_cost(name, width, factor=slot.factor).num_parameters for name in names}
            pick = (max if largest else min)(costs, key=lambda name: costs[name])
            edges.append(Edge(slot.source, node, pick))
    return tuple(edges)
