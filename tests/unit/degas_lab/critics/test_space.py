"""The space of critics: places, counts, layouts, draws; and the decisions by mixing weights."""

from __future__ import annotations

from collections import Counter

import pytest

from degas.errors import UserError
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticStage
from degas.space.find_critic import shipped_critic
from degas_lab.critics.results import by_name, choices_of, decide, in_words
from degas_lab.critics.space import DOWN_OPERATIONS, NORMAL_OPERATIONS, CriticSpace, stages_for


def test_places_from_image_to_last_map() -> None:
    space = CriticSpace(2, 2)
    names = ["S1 down", "S1 normal 1", "S1 normal 2", "S2 down", "S2 normal 1", "S2 normal 2"]
    assert [slot.name for slot in space.slots] == names
    assert space.count() == 5**6
    assert CriticSpace(1, 0, ("max_pool",)).count() == 1
    assert {*DOWN_OPERATIONS, *NORMAL_OPERATIONS} == set(CRITIC_OPERATION_KINDS)


def test_the_default_space_holds_the_default_critic() -> None:
    for size in (8, 32, 128):
        space = CriticSpace(stages_for(size), 2)
        choices = {slot.name: "mean_pool" if slot.kind == "down" else "skip" for slot in space.slots}
        choices |= {f"S{space.num_stages} normal {k}": "residual" for k in (1, 2)}
        assert space.layout(choices).stages == shipped_critic("resnet").at_size(size)


def test_a_skip_is_left_out_of_the_file() -> None:
    space = CriticSpace(1, 2)
    layout = space.layout({"S1 down": "max_pool", "S1 normal 1": "skip", "S1 normal 2": "conv_1x1"}, {"seed": 1})
    assert layout.stages == (CriticStage("max_pool", ("conv_1x1",)),)
    assert layout.provenance == {"seed": 1}


def test_draws_are_uniform_and_repeatable() -> None:
    space = CriticSpace(1, 1, ("max_pool", "mean_pool"), ("skip", "conv_1x1"))
    counts = Counter(tuple(space.draw(seed).values()) for seed in range(1200))
    assert len(counts) == space.count() == 4
    assert all(240 < count < 360 for count in counts.values())  # 300 ± 4 σ
    assert space.draw(3) == space.draw(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"down": ("mean_pol",)}, "--down-operations: unknown down operation 'mean_pol'; did you mean 'mean_pool'?"),
        ({"down": ("skip",)}, "--down-operations: unknown down operation 'skip'"),
        ({"normal": ("skip", "skip")}, "--normal-operations: an operation is listed twice"),
    ],
)
def test_candidates_are_checked(changes: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UserError) as caught:
        CriticSpace(1, **changes)
    assert str(caught.value).startswith(message)


def test_the_largest_mixing_weight_decides_and_the_first_of_equal_ones() -> None:
    decisions = decide(
        {"S1 down": {"a": 0.2, "b": 0.5, "c": 0.3}, "S1 normal 1": {"a": 0.5, "b": 0.5}, "x": {"a": 1.0}}
    )
    assert choices_of(decisions) == {"S1 down": "b", "S1 normal 1": "a", "x": "a"}
    assert [one["runner_up"] for one in decisions] == ["c", "b", None]
    assert [one["margin"] for one in decisions] == [pytest.approx(0.2), 0.0, None]
    assert in_words(decisions).splitlines()[0].split() == ["S1", "down", "b", "0.200", "over", "c"]


def test_values_get_the_names_of_their_operations() -> None:
    torch = pytest.importorskip("torch")
    space = CriticSpace(1, 0, ("max_pool", "mean_pool"))
    assert by_name(space, {"S1 down": torch.tensor([0.25, 0.75])}) == {"S1 down": {"max_pool": 0.25, "mean_pool": 0.75}}
