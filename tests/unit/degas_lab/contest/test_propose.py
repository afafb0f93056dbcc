"""Proposals: the best of each family exactly, each kind about equally often, the same for equal seeds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from contest_tables import SPACE, architecture, candidates, every_member, search

from degas.errors import UserError
from degas.space.graph import Edge, SearchSpace
from degas_lab.contest.candidates import Candidate, built, choices, counterparts, family_of, moved, options
from degas_lab.contest.propose import MEASURED, Family, Proposer, _without, in_turn, propose


@pytest.mark.parametrize("num_normal", [1, 2])
def test_edges_of_both_orders_have_one_role_each(num_normal: int) -> None:
    space = SearchSpace(3, num_normal)
    other = replace(space, order="up-normal")
    table = counterparts(space, "up-normal")
    assert {slot.name for slot in table.values()} == {slot.name for slot in other.slots}
    for slot in space.slots:
        role = table[slot.name]
        assert (role.kind, role.direct, role.factor) == (slot.kind, slot.direct, slot.factor)
    edges = space.draw(5)
    assert sorted(map(str, moved(moved(edges, space, "up-normal"), other, "normal-up"))) == sorted(map(str, edges))


def test_the_up_edge_of_a_stage_stays_its_up_edge() -> None:
    table = counterparts(SearchSpace(2), "up-normal")
    assert (table["U0->N1"].name, table["N1->U1"].name, table["U0->U2"].name) == ("N1->U1", "U0->N1", "U0->U2")


def test_choices_say_all_of_a_candidate() -> None:
    table = options(SPACE)
    for one in candidates(24, 12):
        chosen = choices(one, SPACE)
        assert all(chosen[name] in table[name] for name in table)
        assert built(chosen, SPACE) == (one.order, one.edges)
        assert Candidate.from_dict(one.to_dict()) == one


def test_families_have_names_by_what_is_in_them() -> None:
    edges = (Edge("U0", "N1", "conv_3x3"), Edge("N1", "U1", "nearest_conv_3x3"))
    assert family_of("normal-up", edges) == "normal-up/nearest/direct/conv"
    more = (*edges, Edge("U0", "U1", "deconv_4x4"))
    assert family_of("normal-up", more) == "normal-up/mixed/residual/conv"
    assert family_of("up-normal", (Edge("U0", "N1", "deconv_6x6"),)) == "up-normal/deconv_6x6/direct/none"


@pytest.mark.parametrize("max_params", [None, 1700])
@pytest.mark.parametrize("rules", [("above_zero", "drops_edge"), ("raw", "ignored")])
def test_the_best_two_of_a_family_are_those_of_going_through_all(
    max_params: int | None, rules: tuple[str, str]
) -> None:
    small = replace(SPACE, normal_operations=("conv_1x1", "skip"))
    compare, zero_rule = rules
    proposer = Proposer(search(3, small, compare=compare, zero_rule=zero_rule), small, max_params)
    for family in proposer.families()[::7]:
        members = every_member(proposer, family)
        if rules == ("raw", "ignored"):  # where pruning drops nothing, both have the same members
            ranked = sorted((proposer.value(family.order, edges) for edges in members), reverse=True)
            found = [proposer.value(family.order, edges) for edges in proposer.best(family)]
            assert found == pytest.approx(ranked[:2])
        assert set(proposer.best(family)) <= set(members)


def test_the_best_without_its_residual_edge_may_be_the_second_best() -> None:
    direct, residual = Edge("N1", "U1", "deconv_4x4"), Edge("U0", "U1", "deconv_4x4")
    alone, both = (1.0, (direct,)), (1.1, (direct, residual))
    assert list(_without([[alone, both]], both[1])) == [[[alone]]]
    assert list(_without([[alone, both]], alone[1])) == [[[both]]]


def test_without_restriction_and_cap_the_best_is_what_pruning_keeps() -> None:
    from degas.space.pruning import prune

    for order in ("normal-up", "up-normal"):
        space = replace(SPACE, order=order)
        made = search(4, space)
        best = Proposer(made, space).best(Family(order, MEASURED, MEASURED, MEASURED))
        assert best[0] == prune(made.values, space, compare="above_zero")


def test_every_prefix_of_the_families_is_balanced() -> None:
    families = Proposer(search(), SPACE).families()
    ordered = in_turn(families, 3)
    assert sorted(map(str, ordered)) == sorted(map(str, families))
    for place in (8, 16, 24):
        counts = Counter(family.order for family in ordered[:place])
        assert max(counts.values()) - min(counts.values()) <= 2
        ups = Counter(family.up for family in ordered[:place])
        assert max(ups.values()) - min(ups.values()) <= 2
    assert in_turn(families, 3) == ordered != in_turn(families, 4)


def test_the_set_is_complete_distinct_and_repeatable() -> None:
    found = candidates(24, 12)
    assert len({(one.order, one.edges) for one in found}) == 24
    kinds = Counter(one.proposed_by for one in found)
    assert kinds["found"] == 1
    assert kinds["glo"] + kinds["glo second"] >= 11  # one may be the search's own find
    assert kinds["draw"] >= 11
    assert found == candidates(24, 12)
    assert found != candidates(24, 12, seed=1)
    assert {one.order for one in found} == {"normal-up", "up-normal"}


def test_the_cap_holds_for_all_and_an_impossible_one_is_refused() -> None:
    capped = propose(Proposer(search(), SPACE, 1700), num_candidates=10, num_proposals=5, seed=0)
    assert len(capped) == 10
    assert max(one.num_parameters for one in capped) <= 1700
    with pytest.raises(UserError, match="raise --max-params"):
        propose(Proposer(search(), SPACE, 10), num_candidates=10, num_proposals=5, seed=0)


def test_shipped_ones_join_where_they_are_of_the_space() -> None:
    fitting, other = architecture(seed=5), architecture(SearchSpace(3), seed=5)
    made = propose(
        Proposer(search(), SPACE),
        num_candidates=8,
        num_proposals=4,
        seed=0,
        shipped={"known": fitting, "deeper": other},
    )
    assert [one.proposed_by for one in made][:2] == ["found", "known"]
    assert "deeper" not in {one.proposed_by for one in made}


def test_costs_are_the_architectures() -> None:
    from degas.nets.cost import architecture_cost

    for one in candidates():
        cost = architecture_cost(replace(architecture(), order=one.order, edges=one.edges))
        assert (one.num_parameters, one.multiply_adds) == (cost.num_parameters, cost.multiply_adds)
