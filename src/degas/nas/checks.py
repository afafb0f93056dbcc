"""What a search refuses before it begins: settings that exclude each other, caps that nothing fits."""

from __future__ import annotations

from degas.errors import UserError
from degas.nas.alpha import second_order
from degas.nas.decide.capped import Budget, check_budget
from degas.nets.normalisation import ONE_VALUE
from degas.settings.sections import MEASURING, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def check_search(settings: SearchSettings, space: SpaceSettings, *, image_size: int, channels: int) -> None:
    """Raise `UserError`, one line, for settings that no search can follow."""
    if why := second_order.refusal(settings):
        raise UserError(f"search: --search.order second {why}")
    if settings.schedule == "joint" and settings.alpha_batch not in (None, "same"):
        raise UserError(
            f"search: --search.alpha-batch {settings.alpha_batch} needs steps of their own on α, and "
            f"--search.schedule joint has none; say --search.schedule alternate"
        )
    if settings.settle_margin is not None and not settings.settle_epochs:
        raise UserError("search: --search.settle-margin counts with --search.settle-epochs only; give both")
    if settings.cuda_graphs and (why := _goes_by_the_step(settings)):
        raise UserError(f"search: --search.cuda-graphs repeats one step, and {why} makes every step another one")
    capped = settings.max_params is not None or settings.max_macs is not None
    if capped and settings.prune == "darts":
        raise UserError("search: --search.prune darts does not weigh what fits within a cap; leave out one of them")
    if settings.prune in MEASURING and settings.compare != "raw":
        raise UserError(
            f"search: --search.compare {settings.compare} compares α, and --search.prune {settings.prune} compares "
            f"losses; say --search.prune paper to prune by α"
        )
    graph, base_size = space.resolve(image_size)
    if base_size == 1 and settings.batch_images == 1:
        raise UserError(f"search: --search.batch-images 1: {ONE_VALUE}")
    budget = search_budget(settings, space, graph, base_size=base_size, channels=channels)
    if budget is not None:
        check_budget(graph, budget)


def _goes_by_the_step(settings: SearchSettings) -> str:
    """The setting by which a search step depends on more than its batches and the rates; empty where none does."""
    found = {
        "--search.order second": settings.order == "second",
        "--search.relaxation gumbel": settings.relaxation == "gumbel",
        "--search.temperature-end": settings.temperature_end is not None,
        "--search.beta-weight": settings.beta_weight > 0,
        "--search.alpha-batch held_out": settings.alpha_batch == "held_out",
    }
    return next((name for name, on in found.items() if on), "")


def search_budget(
    settings: SearchSettings, space: SpaceSettings, graph: SearchSpace, *, base_size: int, channels: int
) -> Budget | None:
    """The costs of what a search with these settings can find, and its caps; None where no setting asks for costs."""
    if settings.max_params is None and settings.max_macs is None and not settings.cost_weight:
        return None
    sizes = Architecture(
        graph.num_stages,
        graph.num_normal,
        base_size,
        settings.width,
        settings.noise_size,
        channels,
        graph.draw(0),
        space.separable_order,
        graph.order,
    )
    return Budget.of(graph, sizes, settings.max_params, settings.max_macs)
