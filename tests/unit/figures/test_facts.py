"""What is said of each edge: the choice by what decided it, and α's leader as α's leader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from degas.figures.facts import DecisionFact, edge_facts, leading_since, softmax
from degas.report.decisions import decisions_of
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import decisions, prune, random_alpha


def pruned(alpha: dict[str, dict[str, float]], space: SearchSpace) -> Architecture:
    return Architecture(space.num_stages, space.num_normal, 4, 8, 16, 3, prune(alpha, space))


@given(st.integers(0, 10_000), st.sampled_from([(1, 0), (2, 1), (3, 1), (3, 0), (2, 3)]))
@settings(max_examples=40, deadline=None)
def test_every_kept_edge_has_the_searchs_own_decision(seed: int, shape: tuple[int, int]) -> None:
    space = SearchSpace(*shape)
    alpha = random_alpha(space, seed)
    written = [{"name": one.name, **vars(one)} for one in decisions(alpha, space)]
    read = decisions_of({"rule": "paper", "compare": "raw", "decisions": written})
    for fact in edge_facts(pruned(alpha, space), alpha, read):
        assert (fact.decision is not None) == fact.kept
        if fact.decision is not None:
            assert fact.operation in fact.decision.choice
            assert fact.decision.margin is None or fact.decision.margin > 0
            assert fact.leads


def test_given_edges_are_shown_as_given_and_what_they_lack_as_impossible() -> None:
    whole, edges = SearchSpace(2), SearchSpace(1).draw(0)
    space = replace(whole, prefix=edges)
    alpha = random_alpha(space, 0)
    kept = prune(alpha, space)
    found = Architecture(2, 1, 4, 8, 16, 3, kept, provenance={"prefix": {"num_stages": 1}})
    facts = edge_facts(found, alpha)
    assert [fact.slot.name for fact in facts] == [slot.name for slot in space.slots]
    assert [fact.given for fact in facts] == [not space.is_searched(slot) for slot in space.slots]
    assert all(fact.kept and fact.alpha is None and not fact.leads for fact in facts if fact.given)


def test_a_kept_operation_is_not_called_the_leader_where_another_leads() -> None:
    """Losses decide by default: what they keep may be α's last."""
    space = SearchSpace(1, 1)
    alpha = {slot.name: {name: float(k) for k, name in enumerate(space.operations(slot))} for slot in space.slots}
    edges = tuple(
        edge if edge.target != "N1" else type(edge)("U0", "N1", "conv_1x1") for edge in prune(alpha, space)
    )  # conv_1x1 is the table's first, with the smallest α
    decision = DecisionFact("N1 direct", "conv_1x1", "skip", 0.03, 0.3)
    fact = edge_facts(Architecture(1, 1, 4, 8, 16, 3, edges), alpha, [decision])[0]
    assert (fact.operation, fact.leader, fact.leads) == ("conv_1x1", "dil_conv_5x5", False)
    assert (fact.alpha, fact.decision) == (0.0, decision)


def test_a_decision_that_another_rule_overruled_is_not_claimed() -> None:
    """DARTS' rule, or a cap, may keep other operations than the decision had."""
    space = SearchSpace(1, 1)
    alpha = random_alpha(space, 1)
    architecture = pruned(alpha, space)
    kept = next(edge for edge in architecture.edges if edge.target == "N1")
    for choice in (kept.operation, "another"):
        fact = edge_facts(architecture, alpha, [DecisionFact("N1 direct", choice, "x", 0.1)])[0]
        assert (fact.decision is not None) == (choice == kept.operation)


def test_facts_follow_the_graph_and_name_the_leader_of_a_dropped_edge() -> None:
    space = SearchSpace(3, 1)
    alpha = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    alpha["U0->U1"]["zero"] = 1.0
    facts = edge_facts(pruned(alpha, space), alpha)
    assert [fact.slot for fact in facts] == list(space.slots)
    dropped = next(fact for fact in facts if fact.slot.name == "U0->U1")
    assert (dropped.kept, dropped.operation, dropped.leader, dropped.alpha) == (False, None, "zero", 1.0)


def test_without_alpha_only_the_choice_is_known() -> None:
    space = SearchSpace(2, 1)
    architecture = Architecture(2, 1, 4, 8, 16, 3, space.draw(3))
    for fact in edge_facts(architecture, None):
        assert (fact.leader, fact.alpha, fact.share, fact.decision) == (None, None, None, None)
        assert not fact.leads


def test_softmax_of_large_values() -> None:
    assert softmax({"a": 1000.0, "b": 1000.0}) == {"a": 0.5, "b": 0.5}


def test_leading_since_is_of_the_operation_that_was_asked_for() -> None:
    history = [{"e": {"a": 1.0, "b": 0.0}}, {"e": {"a": 0.0, "b": 1.0}}, {"e": {"a": 0.0, "b": 2.0}}]
    assert leading_since(history, [1, 2, 3], "e", "b") == 2
    assert leading_since(history, [1, 2, 3], "e", "a") is None  # it led once, and does not in the end
    assert leading_since(history[:1], [1], "e", "a") == 1
    assert leading_since(history, [1, 2, 3], "missing", "a") is None
    assert leading_since([], [], "e", "a") is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_at_most_one_operation_leads_at_the_end(leaders: str) -> None:
    history = [{"e": {name: float(name == leader) for name in "abc"}} for leader in leaders]
    since = {name: leading_since(history, range(1, len(history) + 1), "e", name) for name in "abc"}
    assert [name for name, epoch in since.items() if epoch is not None] == [leaders[-1]]
    assert all(leader == leaders[-1] for leader in leaders[(since[leaders[-1]] or 0) - 1 :])


def test_a_cap_has_the_last_word() -> None:
    record = {"name": "N1 direct", "choice": "conv_3x3", "runner_up": "skip", "margin": 0.2}
    pruning = {"rule": "paper", "compare": "raw", "decisions": [record], "cap": {"changed": {"N1 direct": "skip"}}}
    assert decisions_of(pruning) == [DecisionFact("N1 direct", "skip")]


@pytest.mark.parametrize("rule", ["darts", "foreign", 3])
def test_decisions_of_a_rule_that_makes_none_are_not_shown(rule: object) -> None:
    record = {"name": "N1 direct", "choice": "skip", "runner_up": "", "margin": None}
    assert decisions_of({"rule": rule, "compare": "raw", "decisions": [record]}) == []
