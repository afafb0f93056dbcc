"""What a user leaves open of a search follows from the number of images and from the other settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from degas.nas.settings import CompleteSearch, alpha_rate, resolve_search
from degas.settings.sections import SearchSettings

Make = Callable[..., Any]
NO_SUCH_THING = {
    "prefix",
    "max_params",
    "max_macs",
    "settle_margin",
    "pyramid_levels",
    "pyramid_weights",
    "grow_epochs",
}


@pytest.mark.parametrize("schedule", ["alternate", "joint"])
def test_nothing_is_left_open_but_what_may_not_exist(schedule: str) -> None:
    complete = resolve_search(SearchSettings(schedule=schedule), 1000)
    assert {name for name, value in complete if value is None} == NO_SUCH_THING


def test_only_what_was_left_open_is_filled_in(make_settings: Make) -> None:
    given = make_settings(num_epochs=3, alpha_batch="same", alpha_lr=0.1, temperature=2.0, temperature_end=0.5)
    complete = resolve_search(given, 1000)
    assert {name: getattr(complete, name) for name in SearchSettings.model_fields} == given.model_dump()


def test_files_hold_what_was_given(make_settings: Make) -> None:
    given = make_settings(num_epochs=None)
    assert resolve_search(given, 1000).as_config() == given.model_dump(mode="json")
    assert given.model_dump()["num_epochs"] is None


def test_alpha_has_the_weights_batch_in_a_joint_step_and_another_in_a_step_of_its_own(make_settings: Make) -> None:
    assert resolve_search(make_settings(schedule="joint"), 24).alpha_batch == "same"
    assert resolve_search(make_settings(schedule="alternate"), 24).alpha_batch == "other"


def test_the_temperature_stays_unless_it_has_an_end(make_settings: Make) -> None:
    assert resolve_search(make_settings(temperature=3.0), 24).temperature_end == 3.0
    assert resolve_search(make_settings(temperature=3.0, leave="anneal"), 24).temperature_end == pytest.approx(0.3)


def test_several_processes_take_fewer_steps_and_so_more_epochs(make_settings: Make) -> None:
    one, two = (resolve_search(make_settings(num_epochs=None, batch_images=8), 320, ranks) for ranks in (1, 2))
    assert (one.num_epochs, two.num_epochs) == (13, 25)  # 40 and 20 steps an epoch


def test_epochs_and_rate_count_the_images_that_the_weights_see(make_settings: Make) -> None:
    held_out = make_settings(num_epochs=None, batch_images=8, alpha_batch="held_out", held_out_fraction=0.5)
    complete = resolve_search(held_out, 320)
    assert (complete.num_epochs, complete.alpha_lr) == (25, 0.03)


def test_alpha_rate_grows_as_the_search_shrinks(make_settings: Make) -> None:
    rates = [alpha_rate(steps) for steps in (100, 1000, 2000, 10_000, 100_000)]
    assert rates == pytest.approx([0.03, 0.015, 0.0075, 1.5e-3, 3e-4])
    settings: CompleteSearch = resolve_search(make_settings(num_epochs=250, batch_images=8), 32)
    assert settings.alpha_lr == 0.015
