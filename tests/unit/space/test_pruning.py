from __future__ import annotations

import math
import random

import pytest
from paper_pruning import darts_prune, paper_prune

from degas.errors import UserError
from degas.space.architecture import Architecture
from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import (
    COMPARES,
    check_alpha,
    choices,
    decisions,
    prune,
    prune_darts,
    prune_random_alpha,
    random_alpha,
)

SPACE = SearchSpace()
TOY = SearchSpace(1, 1, ("conv_1x1", "skip"), ("deconv_4x4", "deconv_6x6"))  # U0->N1, N1->U1 direct, U0->U1 residual


def triples(edges: tuple[Edge, ...]) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.operation) for edge in edges}


def toy(direct: tuple[float, float], residual: tuple[float, float, float]) -> dict[str, dict[str, float]]:
    return {
        "U0->N1": {"conv_1x1": 0.0, "skip": 0.1},
        "N1->U1": dict(zip(("deconv_4x4", "deconv_6x6"), direct, strict=True)),
        "U0->U1": dict(zip(("deconv_4x4", "deconv_6x6", ZERO), residual, strict=True)),
    }


def into_u1(edges: tuple[Edge, ...]) -> dict[str, str]:
    return {edge.source: edge.operation for edge in edges if edge.target == "U1"}


@pytest.mark.parametrize("num_stages", [1, 2, 3, 4])
def test_prune_equals_the_papers_text(num_stages: int) -> None:
    space = SearchSpace(num_stages)
    for seed in range(100):
        alpha = random_alpha(space, seed)
        assert triples(prune(alpha, space)) == paper_prune(alpha, num_stages)
        assert triples(prune_darts(alpha, space).edges) == darts_prune(alpha, num_stages)


def test_a_direct_winner_stays_alone() -> None:
    assert into_u1(prune(toy((0.5, 0.2), (0.4, 0.3, 0.0)), TOY)) == {"N1": "deconv_4x4"}


def test_a_residual_winner_brings_the_best_direct_operation() -> None:
    assert into_u1(prune(toy((0.1, 0.2), (0.4, 0.3, 0.0)), TOY)) == {"N1": "deconv_6x6", "U0": "deconv_4x4"}


def test_zero_rules() -> None:
    alpha = toy((0.1, 0.2), (0.4, 0.3, 0.5))
    assert into_u1(prune(alpha, TOY, zero_rule="drops_edge")) == {"N1": "deconv_6x6"}
    assert into_u1(prune(alpha, TOY, zero_rule="ignored")) == {"N1": "deconv_6x6", "U0": "deconv_4x4"}


def test_compare_rules_differ_where_they_should() -> None:
    """The residual edge is shifted up by 1 (raw prefers it), but flat (centred and softmax do not)."""
    shifted = toy((0.5, -0.5), (1.1, 1.0, 1.0))
    kept = {compare: set(into_u1(prune(shifted, TOY, compare=compare))) for compare in COMPARES}
    assert kept == {"raw": {"N1", "U0"}, "centred": {"N1"}, "softmax_times_k": {"N1"}, "above_zero": {"N1", "U0"}}
    # The same lead over the others: among three candidates it is a larger share relative to uniform than among two.
    sizes = toy((1.0, 0.0), (0.9, 0.0, 0.0))
    kept = {compare: set(into_u1(prune(sizes, TOY, compare=compare))) for compare in COMPARES}
    assert kept == {
        "raw": {"N1"},
        "centred": {"N1", "U0"},
        "softmax_times_k": {"N1", "U0"},
        "above_zero": {"N1", "U0"},
    }


def test_above_zero_weighs_a_residual_edge_against_doing_without_it() -> None:
    """However large α is on the direct edge; between two residual edges the one further above its own zero."""
    assert into_u1(prune(toy((9.0, 8.0), (0.1, 0.3, 0.2)), TOY, compare="above_zero")) == {
        "N1": "deconv_4x4",
        "U0": "deconv_6x6",
    }
    for rule in ("drops_edge", "ignored"):
        kept = into_u1(prune(toy((-9.0, -8.0), (0.1, 0.3, 0.4)), TOY, compare="above_zero", zero_rule=rule))
        assert kept == {"N1": "deconv_6x6"}
    space = SearchSpace(2)
    alpha = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    alpha["U0->U2"].update(deconv_6x6=3.0, zero=2.5)
    alpha["U1->U2"].update(deconv_4x4=1.0)
    assert {e.source for e in prune(alpha, space, compare="above_zero") if e.target == "U2"} == {"N2", "U1"}


def test_ties_fall_to_direct_then_source_then_table() -> None:
    assert into_u1(prune(toy((0.3, 0.3), (0.3, 0.3, 0.3)), TOY)) == {"N1": "deconv_4x4"}
    # `zero` comes last, so an equal residual operation keeps its edge, and the first of the table wins on it.
    assert into_u1(prune(toy((0.1, 0.1), (0.3, 0.3, 0.3)), TOY)) == {"N1": "deconv_4x4", "U0": "deconv_4x4"}
    space = SearchSpace(2)
    flat = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    for source in ("U0", "U1"):
        flat[f"{source}->U2"]["deconv_6x6"] = 1.0
    assert {edge.source for edge in prune(flat, space) if edge.target == "U2"} == {"N2", "U0"}


def test_permuted_names_change_nothing() -> None:
    rng = random.Random(0)
    for seed in range(20):
        alpha = random_alpha(SPACE, seed)
        edges = list(alpha)
        rng.shuffle(edges)
        shuffled = {name: dict(rng.sample(list(alpha[name].items()), len(alpha[name]))) for name in edges}
        assert prune(shuffled, SPACE) == prune(alpha, SPACE)
        assert prune_darts(shuffled, SPACE) == prune_darts(alpha, SPACE)


def test_permuting_operations_with_their_alpha_permutes_the_choice() -> None:
    """A space that lists its operations in another order, with the same α by name, gives the same architecture."""
    other = SearchSpace(3, 1, SPACE.normal_operations[::-1], SPACE.up_operations[::-1])
    for seed in range(20):
        alpha = random_alpha(SPACE, seed)
        assert triples(prune(alpha, other)) == triples(prune(alpha, SPACE))


@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_prune_gives_a_valid_architecture(num_normal: int) -> None:
    space = SearchSpace(3, num_normal)
    for seed in range(30):
        for compare in COMPARES:
            edges = prune(random_alpha(space, seed), space, compare=compare)
            Architecture(3, num_normal, 4, 8, 8, 3, edges)


def test_adding_a_constant_to_an_edge_matters_to_raw_alone() -> None:
    for seed in range(20):
        alpha = random_alpha(SPACE, seed)
        shifted = {name: {k: v + 5.0 * (name == "U0->U2") for k, v in edge.items()} for name, edge in alpha.items()}
        for compare in COMPARES[1:]:
            assert prune(shifted, SPACE, compare=compare) == prune(alpha, SPACE, compare=compare)


def test_values_too_large_to_exponentiate() -> None:
    alpha = toy((2000.0, -3000.0), (1e4, -1e4, -1e5))
    for compare in COMPARES:
        prune(alpha, TOY, compare=compare)
    prune_darts(alpha, TOY)


def test_decisions_name_runner_up_margin_and_other_rules() -> None:
    found = {d.name: d for d in decisions(toy((0.5, -0.5), (1.1, 1.0, 1.0)), TOY)}
    assert set(found) == {"N1 direct", "U1 direct", "U1 residual"}
    assert (found["N1 direct"].choice, found["N1 direct"].runner_up) == ("skip", "conv_1x1")
    assert found["N1 direct"].margin == pytest.approx(0.1)
    residual = found["U1 residual"]
    assert (residual.choice, residual.runner_up) == ("U0->U1 deconv_4x4", "U0->U1 deconv_6x6")
    assert residual.margin == pytest.approx(0.1)
    assert residual.differs_under == ("centred", "softmax_times_k")
    assert found["U1 direct"].differs_under == ()


@pytest.mark.parametrize("zero_rule", ["drops_edge", "ignored"])
@pytest.mark.parametrize("compare", COMPARES)
def test_decisions_tell_what_prune_does(compare: str, zero_rule: str) -> None:
    for space in (SPACE, SearchSpace(2, 2), SearchSpace(2, 0)):
        for seed in range(20):
            alpha = random_alpha(space, seed)
            chosen = choices(prune(alpha, space, compare=compare, zero_rule=zero_rule), space)
            found = decisions(alpha, space, compare=compare, zero_rule=zero_rule)
            assert {d.name: d.choice for d in found} == chosen
            assert all(d.margin is None or d.margin >= 0 for d in found)
            assert all((d.margin is None) == (d.runner_up == "") for d in found)


def test_an_operation_that_has_left_is_no_alternative() -> None:
    alpha = toy((0.5, -0.5), (1.1, 1.0, 1.0))
    found = {d.name: d for d in decisions(alpha, TOY, left={"U0->N1": ["conv_1x1"], "U0->U1": ["deconv_6x6"]})}
    whole = {d.name: d for d in decisions(alpha, TOY)}
    assert {name: one.choice for name, one in found.items()} == {name: one.choice for name, one in whole.items()}
    assert (found["N1 direct"].runner_up, found["N1 direct"].margin) == ("", None)
    assert whole["U1 residual"].runner_up == "U0->U1 deconv_6x6"
    assert found["U1 residual"].runner_up == "none"
    assert found["U1 direct"] == whole["U1 direct"]


def test_the_papers_space_has_nine_decisions() -> None:
    assert len(decisions(random_alpha(SPACE, 0), SPACE)) == 9


def test_darts_may_disconnect_and_says_what() -> None:
    alpha = {slot.name: dict.fromkeys(SPACE.operations(slot), 0.0) for slot in SPACE.slots}
    for source in ("U0", "U1"):
        alpha[f"{source}->U2"]["deconv_6x6"] = 1.0  # both residual edges beat the direct one from N2
    found = prune_darts(alpha, SPACE)
    assert ("N2", "U2") not in {(edge.source, edge.target) for edge in found.edges}
    assert found.disconnected == ("N2",)
    with pytest.raises(UserError, match="U2 has no direct edge"):
        Architecture(3, 1, 4, 8, 8, 3, found.edges)


def test_darts_often_disconnects_the_papers_graph() -> None:
    share = sum(bool(prune_darts(random_alpha(SPACE, seed), SPACE).disconnected) for seed in range(300)) / 300
    assert 0.1 < share < 0.5  # at U2 and at U3 the direct edge may come third of three


def test_random_alpha_is_a_function_of_the_seed() -> None:
    assert random_alpha(SPACE, 3) == random_alpha(SPACE, 3)
    assert random_alpha(SPACE, 3) != random_alpha(SPACE, 4)
    assert len({prune_random_alpha(SPACE, seed) for seed in range(50)}) > 45


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda alpha: alpha.pop("U0->N1"), "edge U0->N1 is missing"),
        (lambda alpha: alpha.update({"U0->N9": {}}), "no edge 'U0->N9'"),
        (lambda alpha: alpha["U0->N1"].update(conv_3x4=0.0), "did you mean 'conv_3x3'"),
        (lambda alpha: alpha["U0->N1"].update(skip=math.nan), "finite value for skip"),
        (lambda alpha: alpha["U0->N1"].pop("skip"), "finite value for skip"),
        (lambda alpha: alpha["U0->N1"].update(zero=1.0), "no operation 'zero'"),
    ],
)
def test_alpha_that_does_not_fit_is_named(change: object, message: str) -> None:
    alpha = random_alpha(SPACE, 0)
    change(alpha)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        check_alpha(alpha, SPACE)
    with pytest.raises(UserError, match=message):
        prune(alpha, SPACE)


def test_unknown_rules_are_programming_errors() -> None:
    with pytest.raises(ValueError, match="compare"):
        prune(random_alpha(SPACE, 0), SPACE, compare="rank")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="zero rule"):
        prune(random_alpha(SPACE, 0), SPACE, zero_rule="keep")  # type: ignore[arg-type]
