"""`degas space`."""

from __future__ import annotations

import json
from typing import Any

from degas.cli.tool_options import SpaceOptions as Options
from degas.nas.searched_space import searched_space
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

__all__ = ["Options", "main"]

PAPERS = SearchSpace()
PAPERS_NOTE = """\
The paper prints 4³·7³·5·9² = 8,890,560 for the discrete count: it has 7 where its own continuous count has 9
(nine normal operations; 7 is probably the number of DARTS' primitives), and it swaps "up" and "normal".
With nine: 9³ · (4·5)(4·9)(4·9) = 18,895,680. The continuous count agrees: 9³ · 4³ · 5⁵ = 145,800,000."""


def main(options: Options) -> None:
    search = SearchSettings(prefix=options.prefix)
    space, base_size = searched_space(search, options.space, options.image_size)
    facts = describe_space(space, base_size, options)
    if options.as_json:
        print(json.dumps(facts, indent=2))
        return
    for slot in space.slots:
        role = "direct  " if slot.direct else "residual"
        role = role if space.is_searched(slot) else "given   "
        scale = f"up ×{slot.factor}" if slot.kind == "up" else "normal"
        print(f"  {slot.name:<12} {role} {scale:<7} {', '.join(space.operations(slot))}")
    print(f"continuous (one candidate per edge)  {facts['continuous']:,}")
    print(f"discrete (possible after pruning)    {facts['discrete']:,}")
    sizes = f"width {options.width}, noise size {options.noise_size}, {options.image_size} px"
    print(f"parameters   {facts['min_parameters']:,} to {facts['max_parameters']:,} at {sizes}")
    if (facts["continuous"], facts["discrete"]) == (PAPERS.count_continuous(), PAPERS.count_discrete()):
        print(f"\n{PAPERS_NOTE}")


def describe_space(space: SearchSpace, base_size: int, options: Options) -> dict[str, Any]:
    """Counts, and the parameters of the smallest and largest architecture of an RGB generator."""
    from degas.nets.cost import architecture_cost
    from degas.nets.extremes import extreme_edges

    def parameters(largest: bool) -> int:
        edges = extreme_edges(space, options.width, largest)
        sizes = (space.num_stages, space.num_normal, base_size, options.width, options.noise_size, 3)
        orders = (options.space.separable_order, space.order)
        return architecture_cost(Architecture(*sizes, edges, *orders)).num_parameters

    return {
        "continuous": space.count_continuous(),
        "discrete": space.count_discrete(),
        "min_parameters": parameters(False),
        "max_parameters": parameters(True),
        "edges": {slot.name: list(space.operations(slot)) for slot in space.slots},
        **({"given": [slot.name for slot in space.slots if not space.is_searched(slot)]} if space.prefix else {}),
    }
