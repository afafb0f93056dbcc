"""Checks before a search begins: settings that exclude each other, caps that no architecture meets."""

from __future__ import annotations

from degas.errors import UserError
from degas.nas.alpha import leaving, paths, second_order
from degas.nas.decide.capped import Budget, check_budget
from degas.nas.decide.rule import Rule, find_rule
from degas.nas.polish import candidates as polish
from degas.nas.polish.procedure import FEWEST_FITS
from degas.nas.searched_space import load_prefix, searched_space
from degas.nas.signal import Signal, find_signal
from degas.nets.normalisation import ONE_VALUE
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace


def check_search(settings: SearchSettings, space: SpaceSettings, *, image_size: int, channels: int) -> None:
    """Raise `UserError` for settings that no search can use."""
    check_settings(settings)
    check_on_images(settings, space, image_size=image_size, channels=channels)


def check_on_images(
    settings: SearchSettings,
    space: SpaceSettings,
    *,
    image_size: int,
    channels: int,
    prefix: Architecture | None = None,
) -> None:
    """Raise `UserError` for settings that exclude images of this size and number of channels.

    `prefix`: the architecture of `settings.prefix`, or one in its place.
    """
    graph, base_size = searched_space(settings, space, image_size, prefix)
    find_signal(settings).check(settings, image_size)
    if space.share == "stages" and (why := _unshared_decision(settings)):
        raise UserError(
            f"search: --space.share stages: {why}, and stages with one α have one decision; {PRUNE_BY_ALPHA}"
        )
    if unpolished := polish.conflict_with_space(settings, space):
        raise UserError(f"search: --search.polish {unpolished}")
    if settings.grow and space.share == "stages":
        raise UserError("search: --search.grow decides stage by stage; leave out --space.share stages")
    if space.share == "stages" and settings.leave == "layers":
        raise UserError(
            "search: --search.leave layers decides stages one after the other, and with --space.share stages all have "
            "one decision; use --search.leave shrink"
        )
    if base_size == 1 and settings.batch_images == 1:
        raise UserError(f"search: --search.batch-images 1: {ONE_VALUE}")
    budget = search_budget(settings, space, graph, base_size=base_size, channels=channels)
    if budget is not None:
        check_budget(graph, budget)


def check_settings(settings: SearchSettings) -> None:
    """Raise `UserError` for unregistered names and for settings that exclude each other, whatever the data.

    An unreadable prefix counts too.
    """
    signal, rule = find_signal(settings), find_rule(settings)
    load_prefix(settings)
    if not signal.has_critic and settings.critic_objective != SearchSettings().critic_objective:
        raise UserError(
            f"search: --search.critic-objective: the signal {settings.signal} has no critic; add --search.signal "
            "adversarial, or leave it out"
        )
    _check_alpha(settings, rule)
    if settings.grow:
        _check_grow(settings, signal)
    elif settings.grow_epochs is not None:
        raise UserError("search: --search.grow-epochs counts only with --search.grow; give both, or leave it out")
    if settings.cuda_graphs:
        _check_graphs(settings, signal)
    if why := rule.conflict(settings):
        raise UserError(f"search: {why}")
    if why := polish.conflict(settings, FEWEST_FITS):
        raise UserError(f"search: --search.polish {why}")


def _check_alpha(settings: SearchSettings, rule: type[Rule]) -> None:
    """Raise `UserError` for ways to mix, train and settle α that exclude each other."""
    for choice, why in (
        ("order second", second_order.conflict(settings)),
        (f"paths {settings.paths}", paths.conflict(settings)),
        (f"leave {settings.leave}", leaving.conflict(settings)),
    ):
        if why:
            raise UserError(f"search: --search.{choice} {why}")
    if settings.paths != "all" and rule.needs_mix:
        raise UserError(
            f"search: --search.prune {settings.prune} measures against the mix of an edge's operations, and "
            f"--search.paths {settings.paths} never mixes them; use --search.prune alone or paper"
        )
    if settings.schedule == "joint" and settings.alpha_batch not in (None, "same"):
        raise UserError(
            f"search: --search.alpha-batch {settings.alpha_batch} needs separate steps on α, and "
            f"--search.schedule joint has none; use --search.schedule alternate"
        )
    if settings.settle_margin is not None and not settings.settle_epochs:
        raise UserError("search: --search.settle-margin counts only with --search.settle-epochs; give both")


def _check_grow(settings: SearchSettings, signal: type[Signal]) -> None:
    """Raise `UserError` for settings that no grown search can use."""
    if settings.max_params is not None and settings.max_macs is not None:
        raise UserError("search: --search.grow keeps within one cap on size; leave out --max-params or --max-macs")
    if settings.order == "second":
        raise UserError("search: --search.grow has two rates of weights, and --search.order second unrolls one step")
    if not signal.grows:
        raise UserError(
            f"search: --search.grow needs a loss for smaller images, and the signal {settings.signal} has none; "
            f"use --search.signal glo"
        )


def _check_graphs(settings: SearchSettings, signal: type[Signal]) -> None:
    """Raise `UserError` for settings by which a step is no replay of the one before."""
    if why := _step_dependent_setting(settings, signal):
        raise UserError(f"search: --search.cuda-graphs replays one step, but {why} makes every step different")
    if settings.checkpoint_activations:
        raise UserError(
            "search: --search.cuda-graphs records no second pass; leave out --search.checkpoint-activations"
        )


PRUNE_BY_ALPHA = "use --search.prune paper without a cap"


def _unshared_decision(settings: SearchSettings) -> str:
    """Return a setting by which stages would decide differently; "" without one."""
    if find_rule(settings).measured:
        return f"--search.prune {settings.prune} measures every stage by itself"
    capped = settings.max_params is not None or settings.max_macs is not None
    return "a cap on the size decides edge by edge" if capped else ""


def _step_dependent_setting(settings: SearchSettings, signal: type[Signal]) -> str:
    """Return a setting that makes a search step depend on more than its batches and rates; "" without one."""
    found = {
        f"--search.signal {settings.signal}": not signal.replayable,
        "--search.order second": settings.order == "second",
        "--search.relaxation gumbel": settings.relaxation == "gumbel",
        f"--search.paths {settings.paths}": settings.paths != "all",
        f"--search.leave {settings.leave}": settings.leave != "never",
        "--search.temperature-end": settings.temperature_end is not None,
        "--search.beta-weight": settings.beta_weight > 0,
        "--search.grow": settings.grow,
        "--search.alpha-batch held_out": settings.alpha_batch == "held_out",
    }
    return next((name for name, on in found.items() if on), "")


def search_budget(
    settings: SearchSettings, space: SpaceSettings, graph: SearchSpace, *, base_size: int, channels: int
) -> Budget | None:
    """Return the costs of a search's choices, and its caps; None if no setting needs costs."""
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
