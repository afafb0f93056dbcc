"""Time, memory and arithmetic of a search, from its first steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from degas.api.plan import search_facts
from degas.api.probe import search_probe
from degas.data.image_set import ImageSet
from degas.settings.sections import SearchSettings, SpaceSettings


def probed(images: ImageSet, settings: SearchSettings, **more: Any) -> dict[str, tuple[str, str]]:
    return {
        name: (value, source) for name, value, source in search_probe(images, settings, SpaceSettings(), "cpu", **more)
    }


def billions(rows: dict[str, tuple[str, str]]) -> float:
    return float(rows["search arithmetic"][0].split()[0])


def ticking(seconds: float) -> Callable[[], float]:
    moments = iter(range(10_000))
    return lambda: seconds * next(moments)


def test_arithmetic_grows_with_the_batch_and_memory_is_that_of_a_process(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    found = [probed(make_images(24), make_settings(batch_images=n)) for n in (4, 8, 16)]
    few, more, most = map(billions, found)
    assert most - more == pytest.approx(2 * (more - few), rel=0.05)  # kernels are mixed once a step, whatever the batch
    assert 0 < 2 * few - more < few
    assert re.fullmatch(r"[\d.]+ [MG]iB", found[0]["search peak"][0])


def test_time_is_that_of_the_steps_for_all_of_them_and_all_seeds(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    settings = make_settings(batch_images=4, num_epochs=100)  # 600 steps
    rows = probed(make_images(24), settings, clock=ticking(2.0))
    assert rows["search time"] == ("about 20 min", "by 4 steps here, 2,000 ms each")
    assert probed(make_images(24), settings, clock=ticking(2.0), seeds=3)["search time"][0] == "about 60 min"


def test_a_grown_search_is_the_sum_of_its_stages(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    settings = make_settings(batch_images=4, num_epochs=100, grow=True)
    rows = probed(make_images(24, size=16), settings, clock=ticking(2.0))
    assert {name for name in rows if "px" in name} == {
        f"search {what} at {size} px" for what in ("arithmetic", "peak", "time") for size in (8, 16)
    }
    assert [rows[f"search time{at}"][0] for at in (" at 8 px", " at 16 px", "")] == [
        *["about 20 min"] * 2,
        "about 40 min",
    ]


def test_a_polish_counts_its_fits_once_whatever_the_seeds(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    settings = make_settings(batch_images=4, num_epochs=100)  # 600 steps
    polish = settings.model_copy(update={"polish": 10})
    rows = probed(make_images(24), polish, clock=ticking(2.0), seeds=3)
    assert rows["polish time"] == ("about 3.3 h", "at most, by 4 steps of a drawn architecture, 2,000 ms each")
    assert rows["search time"][0] == "about 60 min"
    most = settings.model_copy(update={"polish": 1000})  # there are 15 neighbours, and five other fits
    assert probed(make_images(24), most, clock=ticking(0.1))["polish time"][0] == "about 20 min"
    planned = {name: value for name, value, _ in search_facts(make_images(24), most, SpaceSettings(), seeds=None)}
    assert planned["polish"] == "at most 20 fits of 600 steps"
    assert "polish time" not in probed(make_images(24), settings, clock=ticking(2.0))


def test_what_the_first_step_prepares_counts_once(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    """With 50,000 images the first step took 16 s, for the latents' principal components, and the others 0.3 s."""
    moments = iter([0.0, 60.0, *range(60, 1000)])  # the first step takes a minute, each other one a second
    settings = make_settings(batch_images=4, num_epochs=100)  # 600 steps
    rows = probed(make_images(24), settings, clock=lambda: next(moments))
    assert rows["search time"] == ("about 11 min", "by 4 steps here, 1,000 ms each")


def test_one_slow_step_is_enough(
    make_images: Callable[..., ImageSet], make_settings: Callable[..., SearchSettings]
) -> None:
    rows = probed(make_images(24), make_settings(batch_images=4, num_epochs=2), clock=ticking(11.0))
    assert rows["search time"][1].startswith("by 1 step here, 11,000 ms each")
