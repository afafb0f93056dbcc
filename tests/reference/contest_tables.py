"""Synthetic contests whose truth is known, for the tests of `degas_lab.contest`; and a slow twin of its proposals."""

from __future__ import annotations

import itertools
import random
from typing import Any

from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import random_alpha
from degas_lab.contest.candidates import Candidate
from degas_lab.contest.propose import Family, Proposer, SearchResult, propose
from degas_lab.fits.evolution import Edges, decisions

SPACE = SearchSpace(
    2,
    normal_operations=("conv_1x1", "conv_3x3", "skip", "sep_conv_3x3"),
    up_operations=("deconv_4x4", "nearest_conv_1x1", "nearest_conv_3x3"),
)


def architecture(space: SearchSpace = SPACE, seed: int = 0) -> Architecture:
    sizes = (space.num_stages, space.num_normal, 4, 4, 6, 3)
    return Architecture(*sizes, space.draw(seed), order=space.order)


def search(seed: int = 0, space: SearchSpace = SPACE, **rules: Any) -> SearchResult:
    given = {"compare": "above_zero", "zero_rule": "drops_edge", **rules}
    return SearchResult(random_alpha(space, seed), found=architecture(space), **given)


def candidates(count: int = 12, proposals: int = 6, seed: int = 0) -> list[Candidate]:
    return propose(Proposer(search(), SPACE), num_candidates=count, num_proposals=proposals, seed=seed)


def every_member(proposer: Proposer, family: Family) -> list[Edges]:
    """All architectures of a family within the cap, one by one: those that pruning could keep."""
    space = proposer.spaces[family.order]
    members = []
    for chosen in itertools.product(*decisions(space)):
        edges = tuple(edge for edge in chosen if edge is not None)
        nodes = [[edge for edge in edges if edge.target == node] for node in space.nodes[1:]]
        if all(family.allows(kept) for kept in nodes) and proposer.allows(family.order, edges):
            members.append(edges)
    return members


def record(score: float | None, steps: tuple[int, ...] = (4, 10)) -> dict[str, Any]:
    """A finished trial with this score at the last mark and ten more at the first; None: it diverged at once."""
    if score is None:
        return {"steps": 1, "history": [], "failed": "step 1: loss is nan"}
    marks = [{"mark": step, "steps": step, "fid": score + 10 * (step != steps[-1])} for step in steps]
    return {"steps": steps[-1], "history": [{**mark, "kid": mark["fid"] / 1000} for mark in marks]}


def known_score(one: Candidate, seed: int) -> float:
    """The truth of the synthetic contest: deconvolutions cost 5 each, pools 2; a seed moves all; and some noise."""
    costs = {"deconv_4x4": 5.0, "skip": 2.0}
    noise = random.Random(f"{one.order} {one.edges} {seed}").gauss(0, 0.5)
    return 40 + 7 * seed + sum(costs.get(edge.operation, 0.0) for edge in one.edges) + noise
