"""`degas describe`."""

from __future__ import annotations

import json
from typing import Any

from degas.cli.text import operations_in_words
from degas.cli.tool_options import DescribeOptions as Options
from degas.space.architecture import Architecture

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.space.find import load_architecture

    architecture = load_architecture(options.file)
    if options.image_size:
        architecture = architecture.for_image_size(options.image_size)
    architecture = architecture.resized(width=options.width)
    if options.out:
        from degas.figures.drawing import draw_architecture

        draw_architecture(architecture, options.out)
    facts = describe(architecture)
    print(json.dumps(facts, indent=2) if options.as_json else _in_words(architecture, facts))
    if options.out and not options.as_json:
        print(f"drawing     {options.out}")


def describe(architecture: Architecture) -> dict[str, Any]:
    """Sizes, costs (of the unconditional generator) and operations, node by node."""
    from degas.nets.cost import architecture_cost, frame_cost, slot_cost

    total, frame = architecture_cost(architecture), frame_cost(architecture)
    nodes: dict[str, list[dict[str, Any]]] = {}
    for edge in architecture.edges:
        cost = slot_cost(architecture.slot(edge), edge.operation, architecture)
        facts = {"from": edge.source, "operation": edge.operation, **vars(cost)}
        nodes.setdefault(edge.target, []).append(facts)
    return {
        "num_parameters": total.num_parameters,
        "multiply_adds": total.multiply_adds,
        "image_size": architecture.image_size,
        "channels": architecture.channels,
        "width": architecture.width,
        "noise_size": architecture.noise_size,
        "base_size": architecture.base_size,
        "order": architecture.order,
        "frame": vars(frame),
        "nodes": nodes,
        "provenance": dict(architecture.provenance),
    }


def _in_words(architecture: Architecture, facts: dict[str, Any]) -> str:
    size, channels = facts["image_size"], facts["channels"]
    return "\n".join(
        [
            operations_in_words(architecture),
            f"order       {architecture.order}",
            f"image       {channels}×{size}×{size} from {facts['noise_size']} noise entries, width {facts['width']}",
            f"parameters  {facts['num_parameters']:,} ({facts['frame']['num_parameters']:,} outside the searched part)",
            f"multiply-adds {facts['multiply_adds']:,} per image",
        ]
    )
