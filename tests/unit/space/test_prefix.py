"""A space with a prefix, against the whole space: the same later decisions, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from brute_capped import every_architecture

from degas.errors import UserError
from degas.nas.decide.capped import Budget, prune_capped
from degas.nas.results.agreement import agreement, chance
from degas.nets.cost import Cost
from degas.nets.extremes import extreme_edges
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, ZERO, Edge, Order, SearchSpace
from degas.space.neighbours import neighbours
from degas.space.prefix import with_prefix
from degas.space.pruning import COMPARES, choices, decisions, prune, prune_darts, random_alpha

SMALL = SearchSpace(2, 1, ("conv_1x1", "skip"), ("deconv_4x4", "nearest_conv_1x1"))


def architecture(stages: int, normal: int = 1, order: Order = "normal-up", seed: int = 0) -> Architecture:
    return Architecture(stages, normal, 4, 8, 16, 3, SearchSpace(stages, normal, order=order).draw(seed), order=order)


def begun(space: SearchSpace, given: Architecture) -> SearchSpace:
    return with_prefix(space, given, "preact", "--search.prefix a.json")


def won_by(given: tuple[Edge, ...], space: SearchSpace, seed: int) -> dict[str, dict[str, float]]:
    """α of the whole space under which pruning keeps the edges `given` at their nodes, and random ones elsewhere."""
    alpha, kept = random_alpha(space, seed), {f"{edge.source}->{edge.target}": edge.operation for edge in given}
    for slot in space.slots:
        if slot.target in {edge.target for edge in given}:
            wins = 10.0 if slot.direct else 20.0  # the paper's rule: a residual edge must exceed the direct one
            alpha[slot.name] = {name: wins * (kept.get(slot.name, ZERO) == name) for name in alpha[slot.name]}
    return alpha


def test_the_papers_counts_without_its_first_stage() -> None:
    space = begun(SearchSpace(), architecture(1))
    assert space.count_continuous() == 9**2 * 4**2 * 5**4
    assert space.count_discrete() == (9 * 4 * 9) ** 2
    assert space.searched_nodes == ("N2", "U2", "N3", "U3")
    assert [space.operations(slot) for slot in space.slots[: len(space.prefix)]] == [
        (edge.operation,) for edge in space.prefix
    ]
    assert chance(space) == pytest.approx(2 * (1 / 9 + 1 / 4 + 1 / 9))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_pruning_after_a_prefix_equals_pruning_everything_with_its_operations_winning(
    num_normal: int, order: Order
) -> None:
    whole = SearchSpace(3, num_normal, order=order)
    for seed in range(30):
        given = architecture(1 + seed % 2, num_normal, order, seed)
        space = begun(whole, given)
        alpha = won_by(given.edges, whole, seed)
        later = {slot.name: alpha[slot.name] for slot in space.searched_slots}
        for compare in ("raw", "centred"):
            assert prune(later, space, compare=compare) == prune(alpha, whole, compare=compare)
        assert prune(later, space)[: len(given.edges)] == given.edges
        expected = {one.name: one for one in decisions(alpha, whole) if one.node in space.searched_nodes}
        assert {one.name: one for one in decisions(later, space)} == expected
        assert choices(prune(later, space), space) == {name: one.choice for name, one in expected.items()}


def test_darts_rule_keeps_the_prefix_too() -> None:
    given = architecture(1, seed=3)
    space = begun(SearchSpace(2), given)
    alpha = random_alpha(space, 1)
    kept = prune_darts(alpha, space).edges
    assert kept[: len(given.edges)] == given.edges
    assert {edge.target for edge in kept} == set(space.nodes[1:])


@pytest.mark.parametrize("seed", range(3))
def test_a_cap_pays_for_the_prefix(seed: int) -> None:
    """Against every architecture of the whole space that begins like the prefix."""
    given = Architecture(1, 1, 4, 8, 16, 3, replace(SMALL, num_stages=1).draw(seed))
    space, alpha = begun(SMALL, given), random_alpha(SMALL, seed)
    later = {slot.name: alpha[slot.name] for slot in space.searched_slots}
    costs = Budget.of(space, architecture(2), None, None)
    kept = [edges for edges in every_architecture(SMALL) if edges[: len(given.edges)] == given.edges]
    kept = [edges for edges in kept if "U1" not in {edge.target for edge in edges[len(given.edges) :]}]
    assert len(kept) == space.count_discrete()
    sizes = sorted({costs.cost(edges).num_parameters for edges in kept})
    for cap in sizes:
        found = prune_capped(later, space, replace(costs, max_params=cap))
        assert found in kept
        assert costs.cost(found).num_parameters <= cap
    assert costs.cost(prune_capped(later, space, replace(costs, max_params=sizes[0]))).num_parameters == sizes[0]
    with pytest.raises(UserError, match=f"the smallest has {sizes[0]:,}"):
        prune_capped(later, space, replace(costs, max_params=sizes[0] - 1))
    assert costs.edges_cost(()) == Cost(0, 0)
    smallest, largest = (extreme_edges(space, 8, largest) for largest in (False, True))
    assert [costs.cost(edges).num_parameters for edges in (smallest, largest)] == [sizes[0], sizes[-1]]


def test_draws_and_neighbours_keep_the_prefix() -> None:
    given = architecture(1, seed=5)
    space = begun(SMALL, given)
    for seed in range(10):
        drawn = space.draw(seed)
        assert drawn[: len(given.edges)] == given.edges
        assert all(one.edges[: len(given.edges)] == given.edges for one in neighbours(drawn, space))
        Architecture(2, 1, 4, 8, 16, 3, drawn)
    assert {one.decision for one in neighbours(space.draw(0), space)} == {"N2 direct", "U2 direct", "U2 residual"}


def test_agreement_counts_only_the_decisions_of_the_search() -> None:
    space = begun(SearchSpace(2), architecture(1))
    found = agreement([random_alpha(space, seed) for seed in (0, 1)], [0, 1], space)
    assert found["num_decisions"] == 3
    assert set(found["kendall_tau_per_edge"]) == {slot.name for slot in space.searched_slots}


def test_without_a_prefix_every_node_is_searched() -> None:
    space = SearchSpace(2)
    assert space.searched_nodes == space.nodes[1:]
    assert space.searched_slots == space.slots
    assert not [rule for rule in COMPARES if len(decisions(random_alpha(space, 0), space, compare=rule)) != 6]


@pytest.mark.parametrize(
    ("given", "separable", "changes", "message"),
    [
        (architecture(1, 2), "preact", {}, "its num_normal is 2, and the space's is 1; give --space.num-normal 2"),
        (
            architecture(1, order="up-normal"),
            "preact",
            {},
            "its order is up-normal, and the space's is normal-up; give --space.order up-normal",
        ),
        (architecture(1), "darts", {}, "its separable_order is preact, and the space's is darts"),
        (architecture(2), "preact", {}, "its num_stages is 2, and the space's is 2, so nothing is left to search"),
        (architecture(3), "preact", {}, "its num_stages is 3, and the space's is 2"),
        (architecture(1), "preact", {"share": "stages"}, "--space.share stages has one decision for all stages"),
        (
            architecture(1, 2, "up-normal"),
            "darts",
            {},
            "its num_normal is 2, and the space's is 1, its order is up-normal, and the space's is normal-up, "
            "its separable_order is preact, and the space's is darts; "
            "give --space.num-normal 2 --space.order up-normal --space.separable-order preact",
        ),
        (
            architecture(2, 2),
            "preact",
            {"share": "stages"},
            "give --space.num-normal 2; also, its num_stages is 2, .*; also, --space.share stages has one",
        ),
    ],
)
def test_what_is_no_prefix_is_named(given: Architecture, separable: str, changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        with_prefix(SearchSpace(2, **changes), given, separable, "--search.prefix a.json")  # type: ignore[arg-type]
    assert str(caught.value).startswith("--search.prefix a.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "edges",
    [
        (Edge("U0", "N1", "skip"),),  # half a stage
        (Edge("N1", "U1", "deconv_4x4"), Edge("U0", "U1", "deconv_4x4")),  # no direct edge into N1
        (*SearchSpace(1).draw(0), Edge("U0", "N9", "skip")),  # an edge of no graph
        SearchSpace(2).draw(0),  # everything
        (*SearchSpace(1).draw(0), Edge("N2", "U2", "deconv_4x4")),  # a hole
    ],
)
def test_a_prefix_made_by_hand_fills_whole_stages(edges: tuple[Edge, ...]) -> None:
    with pytest.raises(UserError, match="a prefix gives all direct edges up to a map U_k"):
        SearchSpace(2, prefix=edges)


def test_the_provenance_says_what_was_given() -> None:
    found = replace(architecture(3), provenance={"prefix": {"num_stages": 2}})
    assert [node for node in found.graph.nodes if found.is_given(node)] == ["N1", "U1", "N2", "U2"]
    for foreign in ({}, {"prefix": 3}, {"prefix": {"num_stages": "2"}}, {"prefix": {"num_stages": 3}}):
        assert replace(found, provenance=foreign).num_given_stages == 0
