"""Neighbours are exactly the architectures of the space that differ in one decision."""

from __future__ import annotations

import pytest

from degas.space.graph import Edge, Order, SearchSpace
from degas.space.neighbours import changed, decision_options, neighbours, num_neighbours, option_values
from degas.space.pruning import choices

SMALL = {"normal_operations": ("conv_3x3", "skip"), "up_operations": ("deconv_4x4", "nearest_conv_3x3")}


@pytest.mark.parametrize("order", ["normal-up", "up-normal"])
@pytest.mark.parametrize("num_normal", [1, 2])
def test_neighbours_are_all_that_differ_in_one_decision(order: Order, num_normal: int) -> None:
    space = SearchSpace(1, num_normal, order=order, **SMALL)  # type: ignore[arg-type]
    edges = space.draw(3)
    drawn = {space.draw(seed) for seed in range(3000)}  # all of the space
    assert len(drawn) == space.count_discrete()
    found = neighbours(edges, space)
    assert {one.edges for one in found} == {other for other in drawn if len(changed(edges, other, space)) == 1}
    assert len(found) == num_neighbours(space)
    assert len({one.file_name for one in found}) == len(found)


def test_decision_and_option_have_the_names_of_the_pruning() -> None:
    space = SearchSpace()
    edges = space.draw(0)
    found = neighbours(edges, space)
    assert list(decision_options(space)) == list(choices(edges, space))
    for one in found:
        assert choices(one.edges, space)[one.decision] == one.option
        assert changed(edges, one.edges, space) == {one.decision: one.option}
    assert {one.option.split(" ")[0] for one in found if one.decision == "U2 residual"} >= {"U0->U2", "U1->U2"}


def test_an_operation_that_the_space_does_not_offer_stays_until_its_decision_changes() -> None:
    space = SearchSpace(1, **SMALL)  # type: ignore[arg-type]
    edges = (Edge("U0", "N1", "sep_conv_3x3"), Edge("N1", "U1", "deconv_4x4"))
    found = neighbours(edges, space)
    assert [one.option for one in found if one.decision == "N1 direct"] == ["conv_3x3", "skip"]
    assert all(("U0", "N1", "sep_conv_3x3") in map(vars_of, one.edges) for one in found if one.decision != "N1 direct")


def test_values_of_residual_options_are_beyond_their_zero() -> None:
    space = SearchSpace(1, **SMALL)  # type: ignore[arg-type]
    values = {slot.name: dict.fromkeys(space.operations(slot), 1.0) for slot in space.slots}
    values["U0->U1"] |= {"deconv_4x4": 3.0, "zero": 2.0}
    found = option_values(values, space, "above_zero")["U1 residual"]
    assert found == {"none": 0.0, "U0->U1 deconv_4x4": 1.0, "U0->U1 nearest_conv_3x3": -1.0}


def vars_of(edge: Edge) -> tuple[str, str, str]:
    return edge.source, edge.target, edge.operation
