"""`degas random`."""

from __future__ import annotations

from degas.cli.tool_options import RandomOptions as Options
from degas.space.architecture import Architecture

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    space, base_size = options.space.resolve(options.image_size)
    if options.from_alpha:
        from degas.space.pruning import prune_random_alpha

        edges, how = prune_random_alpha(space, options.seed), "random α, pruned"
    else:
        edges, how = space.draw(options.seed), "drawn uniformly"
    architecture = Architecture(
        num_stages=space.num_stages,
        num_normal=space.num_normal,
        base_size=base_size,
        width=options.width,
        noise_size=options.noise_size,
        channels=options.channels,
        edges=edges,
        separable_order=options.space.separable_order,
        order=space.order,
        provenance={"method": how, "seed": options.seed},
    )
    if options.out is None:
        print(architecture.to_json(), end="")
        return
    architecture.save(options.out)
    print(f"architecture {options.out}")
