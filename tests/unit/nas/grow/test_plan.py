"""The stages of a chain, and caps that every stage can meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.nas.grow.plan import grown_stages, stage_caps
from degas.nets.cost import architecture_cost
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

SMALL = SpaceSettings(normal_operations=("conv_1x1", "conv_3x3", "skip"))
SETTINGS = SearchSettings(width=6, noise_size=8, grow=True)


@pytest.mark.parametrize(
    ("size", "sizes"), [(8, [8]), (32, [8, 16, 32]), (48, [12, 24, 48]), (5 * 16, [10, 20, 40, 80])]
)
def test_stages_double_from_the_first_up_sampling(size: int, sizes: list[int]) -> None:
    stages = grown_stages(SETTINGS, SMALL, size, 3)
    assert [stage.image_size for stage in stages] == sizes
    assert [stage.name for stage in stages] == [f"grow-{size:03d}" for size in sizes]
    assert [stage.heads for stage in stages] == [tuple(f"U{k}" for k in range(1, n + 1)) for n in range(len(sizes))]
    assert all(stage.caps == {} for stage in stages)


def test_a_chain_begins_after_a_prefix(tmp_path: Path) -> None:
    Architecture(1, 1, 4, 6, 8, 3, SearchSpace(1).draw(0)).save(tmp_path / "a.json")
    settings = SETTINGS.model_copy(update={"prefix": tmp_path / "a.json"})
    stages = grown_stages(settings, SMALL, 32, 3)
    assert [(stage.image_size, stage.heads) for stage in stages] == [(16, ()), (32, ("U2",))]
    one = stages[1].settings(settings, tmp_path / "b.json")
    assert (one.grow, one.prefix, one.width) == (False, tmp_path / "b.json", 6)


def test_later_stages_may_take_fewer_epochs() -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 6, "grow_epochs": 2})
    found = [stage.settings(settings, None) for stage in grown_stages(settings, SMALL, 32, 3)]
    assert [(one.num_epochs, one.grow_epochs) for one in found] == [(6, None), (2, None), (2, None)]
    plain = [stage.settings(SETTINGS, None).num_epochs for stage in grown_stages(SETTINGS, SMALL, 32, 3)]
    assert plain == [None] * 3


@pytest.mark.parametrize(("cap", "measure"), [("max_params", "num_parameters"), ("max_macs", "multiply_adds")])
def test_whatever_a_stage_keeps_within_its_cap_the_next_stage_can_meet_its_own(cap: str, measure: str) -> None:
    sizes = [8, 16, 32]
    free = {n: _range(n, measure) for n in (1, 2, 3)}
    for share in (0.0, 0.01, 0.3, 0.77, 1.0, 1.5):
        least, most = free[3]
        limit = int(least + share * (most - least))
        caps = stage_caps(SETTINGS.model_copy(update={cap: limit}), SMALL, sizes, 3)
        assert caps[32] == {cap: limit}
        for size, (least_of_stage, most_of_stage) in zip(sizes, free.values(), strict=True):
            spare = share * (most_of_stage - least_of_stage)
            assert caps[size][cap] - least_of_stage == pytest.approx(spare, abs=2)  # rounded down
        for stages in (1, 2):
            spare = caps[sizes[stages]][cap] - caps[sizes[stages - 1]][cap]
            assert spare >= free[stages + 1][0] - free[stages][0]  # what the next stage needs at least
            assert caps[sizes[stages - 1]][cap] >= free[stages][0]
        if share >= 1:
            assert all(caps[size][cap] >= free[n][1] for n, size in enumerate(sizes, start=1))


def _range(stages: int, measure: str) -> tuple[int, int]:
    """The least and the most over all choices, node by node and edge by edge: costs add up."""
    space = SearchSpace(stages, 1, SMALL.normal_operations)
    costs = []
    for seed in range(400):
        found = Architecture(stages, 1, 4, 6, 8, 3, space.draw(seed))
        costs.append(getattr(architecture_cost(found), measure))
    from degas.nas.checks import search_budget
    from degas.nas.decide.capped import cheapest, costliest

    budget = search_budget(SETTINGS.model_copy(update={"max_params": 1}), SMALL, space, base_size=4, channels=3)
    assert budget is not None
    least, most = (getattr(budget.cost(pick(space, budget, measure)), measure) for pick in (cheapest, costliest))
    assert least <= min(costs) <= max(costs) <= most
    if stages == 1:
        assert max(costs) == most  # of 60 architectures 400 draws find the largest
    return least, most
