"""Random search and regularised evolution over the discrete space, as pure functions of (seed, results so far).

Regularised evolution (Real et al. 2019): the population is a queue; the best of a random tournament gets a child with
one decision changed, the child joins, and the *oldest* member is removed, however good it is. So the population is the
end of the history, and a stopped run continues from its results alone. A child that was fitted before joins again with
its known loss, at no cost: otherwise the neighbourhood of the best would be exhausted, and the population leave it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from degas.space.graph import Edge, SearchSpace
from degas.space.neighbours import decision_options

Edges = tuple[Edge, ...]
Accept = Callable[[Edges], bool]
Kind = Literal["drawn", "child"]
MAX_ATTEMPTS = 20_000  # draws without an accepted candidate, after which the search for one ends
MAX_REPEATS = 50  # proposals for each fit of the budget, after which the space counts as exhausted


@dataclass(frozen=True)
class Fit:
    """A candidate with its loss (lower is better) and its origin."""

    edges: Edges
    loss: float
    kind: Kind = "drawn"


@dataclass(frozen=True)
class Proposal:
    """The architecture to fit next."""

    edges: Edges
    kind: Kind


def decisions(space: SearchSpace) -> tuple[tuple[Edge | None, ...], ...]:
    """The options of each decision of an architecture (`decision_options` has their names)."""
    return tuple(decision_options(space).values())


def draw(space: SearchSpace, rng: random.Random) -> Edges:
    """A uniform draw from the discrete space."""
    return _edges([rng.choice(options) for options in decisions(space)])


def mutate(edges: Edges, space: SearchSpace, rng: random.Random) -> Edges:
    """`edges` with one decision, drawn uniformly among those with a choice, changed to another option."""
    table = decisions(space)
    chosen = [next((edge for edge in edges if edge in options), None) for options in table]
    place = rng.choice([k for k, options in enumerate(table) if len(options) > 1])
    chosen[place] = rng.choice([option for option in table[place] if option != chosen[place]])
    return _edges(chosen)


def propose_random(space: SearchSpace, history: Sequence[Fit], *, seed: int, accept: Accept) -> Proposal | None:
    """The next uniform draw that is accepted and new; None if none is found."""
    rng, known = _rng(seed, "drawn", len(history)), {fit.edges for fit in history}
    return _first(lambda: draw(space, rng), lambda edges: edges not in known and accept(edges), "drawn")


def propose_evolution(
    space: SearchSpace, history: Sequence[Fit], *, seed: int, accept: Accept, population: int, tournament: int
) -> Proposal | None:
    """The next candidate of regularised evolution; None if none is found.

    The first `population` candidates are those of `propose_random` with the same seed, so that both share these fits.
    Then the best of `tournament` members, drawn with replacement from the youngest `population`, gets a child.
    """
    if len(history) < population:
        return propose_random(space, history, seed=seed, accept=accept)
    rng = _rng(seed, "child", len(history))
    alive = history[-population:]

    def child() -> Edges:
        contestants = [rng.choice(alive) for _ in range(tournament)]
        return mutate(min(contestants, key=lambda fit: fit.loss).edges, space, rng)

    return _first(child, accept, "child")


def run(
    propose: Callable[[Sequence[Fit]], Proposal | None], evaluate: Callable[[Proposal], float], num_fits: int
) -> list[Fit]:
    """Propose candidates from the results so far, until `num_fits` different ones are evaluated; return the history.

    The history includes repeats (see `distinct`). It ends early if proposals end or only repeat.
    """
    history: list[Fit] = []
    losses: dict[Edges, float] = {}
    while len(losses) < num_fits and len(history) < MAX_REPEATS * num_fits:
        proposal = propose(tuple(history))
        if proposal is None:
            break
        if proposal.edges not in losses:
            losses[proposal.edges] = evaluate(proposal)
        history.append(Fit(proposal.edges, losses[proposal.edges], proposal.kind))
    return history


def distinct(history: Sequence[Fit]) -> list[Fit]:
    """The history without repeats: the fits in their order."""
    first: dict[Edges, Fit] = {}
    for fit in history:
        first.setdefault(fit.edges, fit)
    return list(first.values())


def best_so_far(losses: Sequence[float]) -> list[float]:
    """The running minimum."""
    found: list[float] = []
    for loss in losses:
        found.append(min(loss, found[-1]) if found else loss)
    return found


def _first(make: Callable[[], Edges], accept: Accept, kind: Kind) -> Proposal | None:
    for _ in range(MAX_ATTEMPTS):
        edges = make()
        if accept(edges):
            return Proposal(edges, kind)
    return None


def _edges(chosen: Sequence[Edge | None]) -> Edges:
    return tuple(edge for edge in chosen if edge is not None)


def _rng(seed: int, purpose: str, number: int) -> random.Random:
    return random.Random(f"degas {purpose} {seed} {number}")
