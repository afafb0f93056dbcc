"""Margins and shares, held to the search's own pruning: a margin is how far α may fall before the choice changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from degas.architecture import Architecture
from degas.nas.pruning import prune, random_alpha
from degas.report.facts import edge_facts, leading_since, softmax
from degas.space import SearchSpace


def pruned(alpha: dict[str, dict[str, float]], space: SearchSpace, zero_rule: str) -> Architecture:
    edges = prune(alpha, space, zero_rule=zero_rule)
    return Architecture(space.num_stages, space.num_normal, 4, 8, 16, 3, edges)


@given(
    st.integers(0, 10_000), st.sampled_from([(1, 0), (2, 1), (3, 1), (3, 0), (2, 3)]),
    st.sampled_from(["drops_edge", "ignored"]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_margin_is_how_far_alpha_may_fall(seed: int, shape: tuple[int, int], zero_rule: str) -> None:
    space = SearchSpace(*shape)
    alpha = random_alpha(space, seed)
    architecture = pruned(alpha, space, zero_rule)
    for fact in edge_facts(architecture, alpha, zero_rule):
        if not fact.kept:
            assert fact.margin is None
            continue
        assert fact.margin is not None
        assert fact.margin > 0
        for share, same in ((0.999, True), (1.001, False)):
            moved = {edge: dict(values) for edge, values in alpha.items()}
            moved[fact.slot.name][fact.operation] -= share * fact.margin
            assert (pruned(moved, space, zero_rule).edges == architecture.edges) is same


def test_facts_follow_the_graph_and_name_the_leader_of_a_dropped_edge() -> None:
    space = SearchSpace(3, 1)
    alpha = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    alpha["U0->U1"]["zero"] = 1.0
    facts = edge_facts(pruned(alpha, space, "drops_edge"), alpha)
    assert [fact.slot for fact in facts] == list(space.slots)
    dropped = next(fact for fact in facts if fact.slot.name == "U0->U1")
    assert (dropped.kept, dropped.operation, dropped.alpha) == (False, "zero", 1.0)


def test_without_alpha_only_the_choice_is_known() -> None:
    space = SearchSpace(2, 1)
    architecture = Architecture(2, 1, 4, 8, 16, 3, space.draw(3))
    for fact in edge_facts(architecture, None):
        assert (fact.alpha, fact.share, fact.margin) == (None, None, None)
        assert (fact.operation is not None) == fact.kept


def test_a_choice_by_another_rule_has_a_negative_margin() -> None:
    space = SearchSpace(1, 1)
    alpha = {slot.name: {name: float(k) for k, name in enumerate(space.operations(slot))} for slot in space.slots}
    edges = tuple(
        edge if edge.target != "N1" else type(edge)("U0", "N1", "conv_1x1") for edge in prune(alpha, space)
    )  # conv_1x1 is the table's first, with the smallest α
    fact = edge_facts(Architecture(1, 1, 4, 8, 16, 3, edges), alpha)[0]
    assert fact.margin == pytest.approx(-8)


def test_softmax_of_large_values() -> None:
    assert softmax({"a": 1000.0, "b": 1000.0}) == {"a": 0.5, "b": 0.5}


def test_leading_since() -> None:
    history = [{"e": {"a": 1.0, "b": 0.0}}, {"e": {"a": 0.0, "b": 1.0}}, {"e": {"a": 0.0, "b": 2.0}}]
    assert leading_since(history, [1, 2, 3], "e") == 2
    assert leading_since(history[:1], [1], "e") == 1
    assert leading_since(history, [1, 2, 3], "missing") is None
