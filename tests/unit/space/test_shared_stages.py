"""Cells: one α for each role of an edge in all stages."""

from __future__ import annotations

import random

import pytest

from degas.space.graph import SearchSpace
from degas.space.pruning import prune

SMALL = {"normal_operations": ("skip",), "up_operations": ("deconv_4x4", "nearest_conv_1x1"), "share": "stages"}


def test_roles_are_the_places_of_edges_in_their_stage() -> None:
    roles = {role: [slot.name for slot in slots] for role, slots in SearchSpace(share="stages").roles.items()}
    assert roles == {
        "start->N1": ["U0->N1", "U1->N2", "U2->N3"],
        "N1->end": ["N1->U1", "N2->U2", "N3->U3"],
        "start->end": ["U0->U1", "U1->U2", "U2->U3"],
        "before->end": ["U0->U2", "U1->U3"],
    }
    assert all(len(slots) == 1 for slots in SearchSpace().roles.values())


@pytest.mark.parametrize("order", ["normal-up", "up-normal"])
@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_edges_of_a_role_have_equal_candidates_and_cover_the_graph(order: str, num_normal: int) -> None:
    space = SearchSpace(3, num_normal, order=order, share="stages")  # type: ignore[arg-type]
    assert sorted(slot.name for slots in space.roles.values() for slot in slots) == sorted(s.name for s in space.slots)
    for slots in space.roles.values():
        assert len({space.operations(slot) for slot in slots}) == 1


def test_the_papers_counts_with_cells() -> None:
    cell = SearchSpace(share="stages")
    assert cell.count_continuous() == 9 * 4 * 5 * 5
    assert cell.count_discrete() == 9 * 4 * (1 + 4 + 4 * (1 + 4))
    assert (SearchSpace().count_continuous(), SearchSpace().count_discrete()) == (145_800_000, 18_895_680)


@pytest.mark.parametrize(("stages", "num_normal"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_the_discrete_count_is_the_number_of_results_of_pruning(stages: int, num_normal: int) -> None:
    """By many drawn α, equal within a role: every result appears, and no other."""
    space = SearchSpace(stages, num_normal, **SMALL)  # type: ignore[arg-type]
    rng, found = random.Random(0), set()
    for _ in range(6000):
        values = {
            role: {name: rng.gauss(0, 1) for name in space.operations(slots[0])} for role, slots in space.roles.items()
        }
        found.add(prune({slot.name: values[space.role(slot)] for slot in space.slots}, space))
    assert len(found) == space.count_discrete()
