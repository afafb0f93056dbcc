"""The test for a settled search: its pruned architecture no longer changes, and no decision is close. Pure.

The test uses one run. Its noise is the change of a decision's margin over the last epochs of *this* run; seeds differ
by more, and only `degas search --seeds` shows by how much. More epochs would hardly change a settled search; another
seed may still find another architecture.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from degas.settings.sections import SearchSettings
from degas.space.graph import ZERO, SearchSpace
from degas.space.pruning import NO_EDGE, Alpha, Compare, Decision, ZeroRule, decisions

# A margin below this many of its standard deviations is close (our choice).
NOISE_DEVIATIONS = 2.0


def has_settled(history: Sequence[Alpha], space: SearchSpace, settings: SearchSettings) -> bool:
    """`is_settled` with the settings of a search."""
    return is_settled(
        history,
        space,
        num_epochs=settings.settle_epochs,
        margin=settings.settle_margin,
        compare=settings.compare,
        zero_rule=settings.zero_rule,
    )


def is_settled(
    history: Sequence[Alpha],
    space: SearchSpace,
    *,
    num_epochs: int,
    margin: float | None = None,
    compare: Compare = "raw",
    zero_rule: ZeroRule = "drops_edge",
) -> bool:
    """Return whether a search with α `history`, one per epoch, may stop: no decision is open. Never for 0 epochs."""
    if not num_epochs or len(history) <= num_epochs:
        return False
    return not open_decisions(
        history, space, num_epochs=num_epochs, margin=margin, compare=compare, zero_rule=zero_rule
    )


def open_decisions(
    history: Sequence[Alpha],
    space: SearchSpace,
    *,
    num_epochs: int,
    margin: float | None = None,
    compare: Compare = "raw",
    zero_rule: ZeroRule = "drops_edge",
) -> tuple[str, ...]:
    """The decisions of the paper's rule that changed within the last `num_epochs` epochs, or are close.

    Close: the current margin is at most `margin` (in the units of α, or of the compare rule); if that is None, at most
    two standard deviations of the decision's margin over the last `num_epochs` + 1 records. A steady growth counts as
    deviation too, so that the search continues. A decision without an alternative is never close.
    """
    recent = [_choices_with_margins(alpha, space, compare, zero_rule) for alpha in history[-num_epochs - 1 :]]
    found = []
    for name, (choice, now) in recent[-1].items():
        margins = [record[name][1] for record in recent]
        limit = _noise(margins) if margin is None else margin
        if any(record[name][0] != choice for record in recent) or now <= limit:
            found.append(name)
    return tuple(found)


def _noise(margins: Sequence[float]) -> float:
    finite = [margin for margin in margins if math.isfinite(margin)]
    return NOISE_DEVIATIONS * statistics.stdev(finite) if len(finite) > 1 else 0.0


def _choices_with_margins(
    alpha: Alpha, space: SearchSpace, compare: Compare, zero_rule: ZeroRule
) -> dict[str, tuple[str, float]]:
    """Decision name → choice and margin, infinite without an alternative.

    If `zero` may drop an edge, its lead or lag against the edge that would win without it is a margin too.
    """
    found = decisions(alpha, space, compare=compare, zero_rule=zero_rule)
    free = decisions(alpha, space, compare=compare, zero_rule="ignored")
    return {
        one.name: (
            one.choice,
            min(
                math.inf if one.margin is None else one.margin,
                _zero_margin(other, alpha) if zero_rule == "drops_edge" else math.inf,
            ),
        )
        for one, other in zip(found, free, strict=True)
    }


def _zero_margin(free: Decision, alpha: Alpha) -> float:
    """Return how far `zero` is from changing the decision, for the choice that would be made without it.

    Within an edge all compare rules differ only by a shift, so the difference of α serves each of them.
    """
    if free.part == "direct" or free.choice == NO_EDGE:
        return math.inf
    edge, operation = free.choice.split(" ")
    return abs(alpha[edge][operation] - alpha[edge][ZERO])
