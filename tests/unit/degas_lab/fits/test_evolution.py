"""The algorithms on a toy objective with a known optimum, and what makes them resumable."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from functools import partial

import pytest

from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace
from degas_lab.fits import evolution
from degas_lab.fits.evolution import Fit, Proposal, decisions, draw, mutate, propose_evolution, propose_random, run

SPACE = SearchSpace()
BEST = SPACE.draw(123)
ANY = lambda edges: True  # noqa: E731
EVOLVE = partial(propose_evolution, SPACE, accept=ANY, population=20, tournament=20)


def chosen(edges: tuple[Edge, ...], space: SearchSpace = SPACE) -> list[Edge | None]:
    return [next((edge for edge in edges if edge in options), None) for options in decisions(space)]


def toy(proposal: Proposal) -> float:
    """How many of the 9 decisions differ from the best architecture's."""
    return float(sum(a != b for a, b in zip(chosen(proposal.edges), chosen(BEST), strict=True)))


def test_the_paper_space_has_nine_decisions_and_its_discrete_count() -> None:
    table = decisions(SPACE)
    assert len(table) == 9
    product = 1
    for options in table:
        product *= len(options)
    assert product == SPACE.count_discrete()


def test_draws_are_valid_and_uniform() -> None:
    space = SearchSpace(1, 1, ("skip", "conv_1x1"), ("deconv_4x4", "deconv_6x6"))
    counts = Counter(draw(space, random.Random(k)) for k in range(3000))
    assert len(counts) == space.count_discrete()
    expected = 3000 / space.count_discrete()
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    for k in range(50):
        Architecture(3, 1, 4, 8, 8, 3, draw(SPACE, random.Random(k)))  # raises where it is not one


def test_a_mutation_changes_exactly_one_decision() -> None:
    places = Counter()
    for k in range(300):
        child = mutate(BEST, SPACE, random.Random(k))
        Architecture(3, 1, 4, 8, 8, 3, child)
        changed = [n for n, (a, b) in enumerate(zip(chosen(child), chosen(BEST), strict=True)) if a != b]
        assert len(changed) == 1
        places[changed[0]] += 1
    assert len(places) == 9


def test_evolution_finds_the_optimum_and_random_search_does_not() -> None:
    """19 million architectures, 400 fits."""
    bests = {"random": [], "evolution": []}
    for seed in range(5):
        histories = {
            "random": run(partial(propose_random, SPACE, seed=seed, accept=ANY), toy, 400),
            "evolution": run(partial(EVOLVE, seed=seed), toy, 400),
        }
        for name, history in histories.items():
            bests[name].append(min(fit.loss for fit in history))
            assert len({fit.edges for fit in history}) == len(evolution.distinct(history)) == 400
        assert len(histories["random"]) == 400  # drawn ones never repeat
    assert bests["evolution"].count(0.0) >= 4
    assert min(bests["random"]) > statistics.fmean(bests["evolution"])


def test_the_first_population_is_random_searchs_own() -> None:
    randomly = run(partial(propose_random, SPACE, seed=3, accept=ANY), toy, 25)
    evolved = run(partial(EVOLVE, seed=3), toy, 25)
    assert evolved[:20] == randomly[:20]
    assert [fit.kind for fit in evolved] == ["drawn"] * 20 + ["child"] * 5
    assert run(partial(EVOLVE, seed=4), toy, 5) != evolved[:5]


def test_a_stopped_run_goes_on_exactly() -> None:
    whole = run(partial(EVOLVE, seed=1), toy, 60)
    for length in (0, 7, 20, 41):
        assert EVOLVE(whole[:length], seed=1) == Proposal(whole[length].edges, whole[length].kind)


def test_the_oldest_dies_however_good() -> None:
    """Real et al.: a member leaves by age. The best one, long dead, has no more children."""
    best = Fit(BEST, 0.0)
    worse = [Fit(SPACE.draw(1000 + k), 5.0) for k in range(20)]
    for number in range(40):
        proposal = EVOLVE([best, *worse, *worse[:number]], seed=0)
        assert proposal is not None
        parents = [sum(a != b for a, b in zip(chosen(proposal.edges), chosen(f.edges), strict=True)) for f in worse]
        assert min(parents) == 1


def test_the_best_of_the_tournament_is_the_parent() -> None:
    fits = [Fit(SPACE.draw(k), float(k)) for k in range(20)]
    certain = partial(propose_evolution, SPACE, accept=ANY, population=20, tournament=500)
    for seed in range(10):
        child = certain(fits, seed=seed)
        assert child is not None
        assert sum(a != b for a, b in zip(chosen(child.edges), chosen(fits[0].edges), strict=True)) == 1


def test_what_is_not_accepted_is_never_proposed() -> None:
    few = lambda edges: len(edges) <= 7  # noqa: E731 - at most one residual edge
    for propose in (partial(propose_random, SPACE), partial(propose_evolution, SPACE, population=5, tournament=2)):
        history = run(partial(propose, seed=0, accept=few), toy, 30)
        assert len(history) == 30
        assert all(len(fit.edges) <= 7 for fit in history)


def test_a_space_that_is_exhausted_ends_the_run_and_nothing_is_evaluated_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution, "MAX_ATTEMPTS", 200)
    space = SearchSpace(1, 1, ("skip", "conv_1x1"), ("deconv_4x4", "deconv_6x6"))
    evaluated: list[Proposal] = []

    def evaluate(proposal: Proposal) -> float:
        evaluated.append(proposal)
        return 1.0

    evolve = partial(propose_evolution, space, seed=0, accept=ANY, population=3, tournament=2)
    history = run(evolve, evaluate, 100)
    assert len(history) == 100 * evolution.MAX_REPEATS
    assert len(evaluated) == len(evolution.distinct(history)) == space.count_discrete()
    drawn = run(partial(propose_random, space, seed=0, accept=ANY), evaluate, 100)
    assert len(drawn) == space.count_discrete()


def test_the_running_best() -> None:
    assert evolution.best_so_far([3.0, 4.0, 1.0, 2.0]) == [3.0, 3.0, 1.0, 1.0]
    assert evolution.best_so_far([]) == []
