"""The best architecture within a cap, against every architecture of a small space."""

from __future__ import annotations

import random

import pytest
from brute_capped import every_architecture, value

from degas.errors import UserError
from degas.nas.decide.capped import Budget, cheapest, check_budget, prune_capped
from degas.nets.cost import Cost, architecture_cost
from degas.space.architecture import Architecture
from degas.space.graph import ZERO, SearchSpace
from degas.space.pruning import COMPARES, prune, random_alpha

SMALL = SearchSpace(2, 1, ("conv_1x1", "conv_3x3", "skip"), ("deconv_4x4", "nearest_conv_1x1"))


def sizes(space: SearchSpace, width: int = 8) -> Architecture:
    return Architecture(space.num_stages, space.num_normal, 4, width, 16, 3, space.draw(0))


def budget(space: SearchSpace, max_params: int | None = None, max_macs: int | None = None) -> Budget:
    return Budget.of(space, sizes(space), max_params, max_macs)


def random_costs(space: SearchSpace, seed: int) -> Budget:
    """Costs that have nothing to do with each other, as a registered operation may bring."""
    rng = random.Random(seed)
    costs = {s.name: {n: Cost(rng.randrange(9), rng.randrange(9)) for n in space.operations(s)} for s in space.slots}
    for edge in costs.values():
        if ZERO in edge:
            edge[ZERO] = Cost(0, 0)
    return Budget(Cost(3, 5), costs)


def with_caps(costs: Budget, max_params: int | None, max_macs: int | None) -> Budget:
    return Budget(costs.frame, costs.costs, max_params, max_macs)


def test_a_budget_counts_what_architecture_cost_counts() -> None:
    space = SearchSpace(3)
    for seed in range(5):
        architecture = Architecture(3, 1, 4, 8, 16, 3, space.draw(seed), "darts")
        found = Budget.of(space, architecture, None, None).cost(architecture.edges)
        assert found == architecture_cost(architecture)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("capped", ["params", "macs", "both"])
def test_nothing_within_the_cap_has_a_larger_sum(capped: str, seed: int) -> None:
    """Every cap from too small for anything to wide enough for everything, over 540 architectures."""
    space, alpha = SMALL, random_alpha(SMALL, seed)
    costs = random_costs(space, seed)
    everything = [(value(edges, alpha, space), costs.cost(edges), edges) for edges in every_architecture(space)]
    for cap in range(3, 50, 3):
        limits = with_caps(costs, cap if capped != "macs" else None, cap + 2 if capped != "params" else None)
        fitting = [(v, edges) for v, cost, edges in everything if v is not None and limits.allows(cost)]
        if not fitting:
            with pytest.raises(UserError, match="no architecture"):
                prune_capped(alpha, space, limits)
            continue
        best_value, best = max(fitting, key=lambda pair: pair[0])
        found = prune_capped(alpha, space, limits)
        assert limits.allows(limits.cost(found))
        assert value(found, alpha, space) == pytest.approx(best_value, abs=1e-12)
        assert found == best


def test_real_costs_and_caps() -> None:
    space, alpha = SMALL, random_alpha(SMALL, 3)
    free = budget(space)
    for share in (0.0, 0.2, 0.5, 0.8):
        low, high = (
            free.cost(edges).num_parameters for edges in (cheapest(space, free, "num_parameters"), prune(alpha, space))
        )
        cap = round(low + share * (high - low))
        limits = budget(space, max_params=cap)
        fitting = [
            e for e in every_architecture(space) if limits.allows(limits.cost(e)) and value(e, alpha, space) is not None
        ]
        assert prune_capped(alpha, space, limits) == max(fitting, key=lambda edges: value(edges, alpha, space) or 0.0)


@pytest.mark.parametrize("compare", COMPARES)
@pytest.mark.parametrize("zero_rule", ["drops_edge", "ignored"])
def test_a_cap_that_excludes_nothing_changes_nothing(compare: str, zero_rule: str) -> None:
    for space in (SearchSpace(3), SearchSpace(2, 2), SearchSpace(2, 0)):
        for seed in range(10):
            alpha = random_alpha(space, seed)
            kept = prune(alpha, space, compare=compare, zero_rule=zero_rule)
            just_enough = budget(space).cost(kept)
            for limits in (
                budget(space, 10**12, 10**15),
                budget(space, just_enough.num_parameters, just_enough.multiply_adds),
            ):
                assert prune_capped(alpha, space, limits, compare=compare, zero_rule=zero_rule) == kept


@pytest.mark.parametrize("compare", COMPARES)
def test_pruning_is_the_largest_sum_of_values(compare: str) -> None:
    """The identity that the capped rule rests on: the staircase without any shortcut ends where `prune` does."""
    from degas.nas.decide.capped import best_within, node_choices

    for seed in range(20):
        alpha, space = random_alpha(SMALL, seed), SMALL
        stages = [node_choices(alpha, space, node, compare, "drops_edge") for node in space.nodes[1:]]
        assert best_within(stages, budget(space)) == prune(alpha, space, compare=compare)


def test_the_smallest_fits_its_own_size_and_nothing_below() -> None:
    space = SearchSpace(3)
    alpha, least = random_alpha(space, 0), budget(space).cost(cheapest(space, budget(space), "num_parameters"))
    limits = budget(space, max_params=least.num_parameters)
    assert limits.cost(prune_capped(alpha, space, limits)).num_parameters == least.num_parameters
    with pytest.raises(UserError, match=f"the smallest has {least.num_parameters:,};") as caught:
        check_budget(space, budget(space, max_params=least.num_parameters - 1))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=f"the smallest takes {least.multiply_adds:,}; raise --max-macs"):
        check_budget(space, budget(space, max_macs=least.multiply_adds - 1))


def test_two_caps_that_are_possible_only_one_by_one() -> None:
    space = SearchSpace(1, 1, ("skip",), ("deconv_4x4", "nearest_conv_1x1"))
    costs = {s.name: {n: Cost(0, 0) for n in space.operations(s)} for s in space.slots}
    costs["N1->U1"] = {"deconv_4x4": Cost(1, 9), "nearest_conv_1x1": Cost(9, 1)}
    check_budget(space, Budget(Cost(0, 0), costs, 9, 1))
    with pytest.raises(UserError, match="though 1 and 1 are possible one by one"):
        check_budget(space, Budget(Cost(0, 0), costs, 5, 5))


def test_equal_sums_go_to_the_cheaper_one() -> None:
    space = SearchSpace(1, 1, ("conv_3x3", "conv_1x1", "skip"), ("deconv_4x4",))
    alpha = {s.name: dict.fromkeys(space.operations(s), 0.0) for s in space.slots}
    alpha["U0->N1"]["conv_3x3"] = 1.0
    limits = budget(space, max_params=budget(space).cost(prune(alpha, space)).num_parameters - 1)
    assert [edge.operation for edge in prune_capped(alpha, space, limits)] == ["skip", "deconv_4x4"]


def test_a_large_space_takes_no_time_to_speak_of() -> None:
    space = SearchSpace(5, 2)
    alpha = random_alpha(space, 1)
    free = budget(space)
    low, high = free.cost(cheapest(space, free, "num_parameters")), free.cost(prune(alpha, space))
    middle = [
        (a + b) // 2 for a, b in ((low.num_parameters, high.num_parameters), (low.multiply_adds, high.multiply_adds))
    ]
    limits = budget(space, *middle)
    assert limits.allows(limits.cost(prune_capped(alpha, space, limits)))
