"""The stages of a growing training: sizes, steps and shares, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from toy_gan import toy_generator, toy_settings

from degas.errors import UserError
from degas.gan.grow.plan import check_grown_generator, check_growth, training_stages
from degas.gan.settings import CompleteGan, resolve_gan
from degas.generator.generator import Generator
from degas.settings.sections import GanSettings
from degas.space.critic import CriticLayout, CriticStage


def generator(base_size: int, num_stages: int) -> Generator:
    sizes = {"width": 2, "noise_size": 2, "base_size": base_size, "num_stages": num_stages, "channels": 1}
    return Generator.from_baseline("resnet", **sizes)


@pytest.mark.parametrize(
    ("base", "ups", "sizes"),
    [
        (4, 1, [8]),
        (4, 2, [8, 16]),
        (4, 3, [8, 16, 32]),
        (6, 3, [12, 24, 48]),
        (7, 2, [14, 28]),
        (4, 4, [16, 32, 64]),  # the critic halves twice
        (1, 3, [8]),
        (16, 1, [32]),
    ],
)
def test_sizes_begin_at_eight_pixels_with_a_part_of_the_critic(base: int, ups: int, sizes: list[int]) -> None:
    stages = training_stages(toy_settings(grow="fade", num_steps=100), generator(base, ups))
    assert [stage.image_size for stage in stages] == sizes
    assert [base * 2**stage.num_ups for stage in stages] == sizes
    assert [(stage.number, stage.num_later) for stage in stages] == [(k, len(sizes) - 1 - k) for k in range(len(sizes))]


def test_stages_share_the_steps_and_there_are_no_more_than_steps() -> None:
    def spans(num_steps: int, **changes: Any) -> list[tuple[int, int]]:
        stages = training_stages(toy_settings(num_steps=num_steps, **changes), generator(4, 3))
        return [(stage.first_step, stage.last_step) for stage in stages]

    assert spans(10, grow="fade") == [(0, 3), (3, 7), (7, 10)]
    assert spans(2, grow="fade") == [(0, 1), (1, 2)]
    assert spans(1, grow="fade") == [(0, 1)]
    assert spans(10) == [(0, 10)]


def test_a_stage_fades_in_over_a_tenth_of_its_steps_and_the_first_one_does_not() -> None:
    first, second = training_stages(toy_settings(grow="fade", num_steps=80), generator(4, 2))
    assert [second.fade_at(step) for step in (40, 41, 43, 44, 79)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert first.fade_at(0) == 1.0
    assert second.as_record() == {"image_size": 16, "first_step": 41, "last_step": 80}


def grown(layout: CriticLayout | None = None, **changes: Any) -> CompleteGan:
    return toy_settings(grow="fade").model_copy(update={"layout": layout, **changes})


def test_what_cannot_grow_is_refused_with_the_reason() -> None:
    once = CriticLayout((CriticStage("blur_pool"),))
    refused = [
        ({"cuda_graphs": True}, "--gan.cuda-graphs replays one step"),
        ({"critic": "mine"}, "--gan.critic mine: only the critic resnet and those of critic files"),
        ({"critic": "c.json", "layout": once}, "--gan.critic c.json: halves once and has no normal operation"),
    ]
    for changes, message in refused:
        with pytest.raises(UserError, match=message):
            check_growth(grown(**changes), 16)
        check_growth(grown(**changes).model_copy(update={"grow": "none"}), 16)
    check_growth(grown(CriticLayout((CriticStage("blur_pool", ("skip", "conv_1x1")),)), critic="c.json"), 16)
    check_growth(resolve_gan(GanSettings(grow="fade")), 16)


def test_only_generators_that_have_an_image_on_each_size_grow() -> None:
    for kind in ("architecture", "resnet"):
        check_grown_generator(grown(), toy_generator(kind=kind))
    with pytest.raises(UserError, match="an architecture or resnet can grow, dcgan cannot"):
        check_grown_generator(grown(), toy_generator(kind="dcgan"))
    check_grown_generator(toy_settings(), toy_generator(kind="dcgan"))
