"""What a grown search costs beside the search at once, counted on the shapes of tensors: nothing is trained.

A step is the default one, a forward and a backward pass for weights, latents and α together. The loss' pyramid of few
channels and the optimisers are not counted; both are small beside the convolutions. The edges that a stage takes as
given depend on what the stage before has found, so each stage is counted with the cheapest and with the costliest ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from degas.nas.decide.capped import Budget, cheapest, costliest
from degas.nas.grow.network import GrownSupernet
from degas.nas.grow.plan import grown_stages
from degas.nas.supernet.supernet import Supernet
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace
from degas_lab.fits.metered import holding

CHANNELS = 3  # of the images
PICKS: dict[str, Callable[[SearchSpace, Budget, str], tuple[Edge, ...]]] = {
    "cheapest": cheapest,
    "costliest": costliest,
}


@dataclass(frozen=True)
class StepCost:
    """Of a search step on one batch: `multiply_adds`, backward pass included, and `held_bytes` for that pass."""

    multiply_adds: int
    held_bytes: int


def step_cost(
    graph: SearchSpace, settings: SearchSettings, space: SpaceSettings, *, base_size: int, heads: tuple[str, ...] = ()
) -> StepCost:
    """The cost of a step of `settings.batch_images` images in `graph`, whose stage has the `heads` of earlier ones."""
    make = partial(GrownSupernet, heads=heads) if heads else Supernet
    with FakeTensorMode():  # shapes without memory and arithmetic
        supernet = make(
            graph,
            base_size=base_size,
            width=settings.width,
            noise_size=settings.noise_size,
            channels=CHANNELS,
            separable_order=space.separable_order,
            recomputes=settings.checkpoint_activations,
        )
        latents = torch.zeros(settings.batch_images, settings.noise_size, requires_grad=True)  # (B, d)
        with FlopCounterMode(display=False) as counter, holding() as held:
            images = supernet.all_sizes(latents) if isinstance(supernet, GrownSupernet) else [supernet(latents)]
            torch.stack([(each - 1.0).square().sum() for each in images]).sum().backward()  # the squared error
    return StepCost(counter.get_total_flops() // 2, held.peak)


def growth_cost(image_size: int, settings: SearchSettings, space: SpaceSettings) -> dict[str, Any]:
    """The costs of a step of the search at once and of each stage of a grown one, as JSON values.

    `at_once` is a `StepCost`; `stages` has for each `image_size`, and a `StepCost` for either choice of given edges.
    """
    graph, base_size = space.resolve(image_size)
    sizes: dict[str, Any] = {"base_size": base_size}
    stages = grown_stages(settings, space, image_size, CHANNELS)
    found: list[dict[str, Any]] = [{"image_size": stage.image_size} for stage in stages]
    for name, pick in PICKS.items():
        prefix: tuple[Edge, ...] = ()
        for stage, entry in zip(stages, found, strict=True):
            begun = replace(space.resolve(stage.image_size)[0], prefix=prefix)
            entry[name] = asdict(step_cost(begun, settings, space, **sizes, heads=stage.heads))
            prefix = pick(begun, _budget(begun, settings, space, base_size), "multiply_adds")
    return {
        "image_size": image_size,
        "width": settings.width,
        "batch_images": settings.batch_images,
        "at_once": asdict(step_cost(graph, settings, space, **sizes)),
        "stages": found,
    }


def _budget(graph: SearchSpace, settings: SearchSettings, space: SpaceSettings, base_size: int) -> Budget:
    sizes = (graph.num_stages, graph.num_normal, base_size, settings.width, settings.noise_size, CHANNELS)
    drawn = Architecture(*sizes, graph.draw(0), space.separable_order, graph.order)
    return Budget.of(graph, drawn, None, None)


def share(cost: dict[str, Any], of: str, pick: str, later_epochs: float = 1.0) -> float:
    """The share of the search at once that a grown search of equal epochs takes, with the given edges `pick`.

    Args:
        cost: of `growth_cost`.
        of: `multiply_adds` of all steps, or `held_bytes`, of which the stage with the most counts.
        later_epochs: epochs of every stage after the first, as a share of the first one's.
    """
    whole, stages = cost["at_once"][of], [stage[pick][of] for stage in cost["stages"]]
    if of == "held_bytes":
        return float(max(stages) / whole)
    return float((stages[0] + later_epochs * sum(stages[1:])) / whole)
