"""The neighbours of a found architecture that a polish may fit, the most doubtful decisions first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from degas.nas.decide.rule import Rule, find_rule
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.graph import Edge
from degas.space.neighbours import Neighbour, neighbours, option_values
from degas.space.pruning import Alpha, choices


@dataclass(frozen=True)
class Candidate:
    """A neighbour, the option that the found architecture has instead, and by how much the search preferred that.

    `deficit` is in the units of the pruning rule's values; it may be negative if a cap on size decided.
    """

    neighbour: Neighbour
    before: str
    deficit: float


def candidates(edges: tuple[Edge, ...], values: Alpha, rule: Rule) -> list[Candidate]:
    """The architectures within the rule's caps that differ from `edges` in one decision, the least deficit first.

    Equal deficits stand in the order of the graph. Given edges are no decision. `values` are those that the rule
    compared.
    """
    chosen, worth = choices(edges, rule.space), option_values(values, rule.space, rule.compare)
    found = []
    for one in neighbours(edges, rule.space):
        if rule.budget is None or rule.budget.allows(rule.budget.cost(one.edges)):
            of_decision, before = worth[one.decision], chosen[one.decision]
            found.append(Candidate(one, before, of_decision[before] - of_decision[one.option]))
    return sorted(found, key=lambda one: one.deficit)  # stable


def conflict(settings: SearchSettings, fewest_fits: int) -> str | None:
    """Return the reason why a search cannot be polished, in one line, or None."""
    if not settings.polish:
        return None
    if settings.polish < fewest_fits:
        return (
            f"{settings.polish} are too few fits: the found architecture and one neighbour with three seeds each are "
            f"{fewest_fits}; give {fewest_fits} or more, or 0"
        )
    if settings.signal != "glo":
        return f"fits by GLO, which is not the loss of --search.signal {settings.signal}; leave out one of them"
    if not find_rule(settings).decides_singly:
        return f"changes one decision at a time, and --search.prune {settings.prune} makes none; leave out one of them"
    return None


def conflict_with_space(settings: SearchSettings, space: SpaceSettings) -> str | None:
    """Likewise for the space."""
    if not settings.polish or space.share == "none":
        return None
    return (
        f"changes one stage's decision, and with --space.share {space.share} all stages have one; leave out one of them"
    )
