"""The counted cost of growing, against steps of real searches, and the file that the docs' table is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_gan import toy_images

from degas.nas.grow.plan import parts_of
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas_lab.fits.growth_cost import PICKS, growth_cost, share, step_cost
from degas_lab.fits.metered import MeteredSearch

RESULTS = Path(__file__).parents[4] / "docs" / "results" / "growth-cost.json"


@pytest.mark.nightly  # torch takes seconds to get ready for tensors without memory
@pytest.mark.parametrize("grow", [False, True])
def test_shapes_alone_give_what_a_real_step_counts(grow: bool) -> None:
    """Of the search at once and of a later stage; the real loss is the squared error alone, which has no products."""
    settings = SearchSettings(width=4, noise_size=6, batch_images=4, grow=grow, loss="l2", num_epochs=1)
    space, images = SpaceSettings(), toy_images(4, 16)
    part = list(parts_of(images, settings, space))[-1]
    search = MeteredSearch(
        part.images, part.settings, space, seed=0, engine=Engine(device="cpu"), prefix=part.prefix, place=part.place
    )
    search.step(0)
    heads = part.place.heads if part.place else ()
    found = step_cost(search.space, settings, space, base_size=4, heads=heads)
    assert found.multiply_adds == search.multiply_adds[0]
    assert found.held_bytes == search.held_bytes[0]


@pytest.mark.nightly
def test_a_stage_is_counted_with_either_choice_of_given_edges() -> None:
    cost = growth_cost(16, SearchSettings(width=2, noise_size=4, batch_images=2), SpaceSettings())
    first, last = cost["stages"]
    assert (first["image_size"], last["image_size"]) == (8, 16)
    assert first["cheapest"] == first["costliest"]  # nothing is given yet
    assert last["cheapest"]["multiply_adds"] < last["costliest"]["multiply_adds"]
    assert all(first[pick][of] < last[pick][of] for pick in PICKS for of in ("multiply_adds", "held_bytes"))


def test_steps_of_a_chain_add_up_and_the_largest_stage_holds_the_most() -> None:
    stages = [
        {"cheapest": {"multiply_adds": 1, "held_bytes": 2}, "costliest": {"multiply_adds": 1, "held_bytes": 2}},
        {"cheapest": {"multiply_adds": 6, "held_bytes": 6}, "costliest": {"multiply_adds": 8, "held_bytes": 7}},
    ]
    cost = {"at_once": {"multiply_adds": 10, "held_bytes": 8}, "stages": stages}
    assert share(cost, "multiply_adds", "cheapest") == pytest.approx(0.7)
    assert share(cost, "multiply_adds", "costliest", 0.5) == pytest.approx(0.5)
    assert [share(cost, "held_bytes", pick) for pick in ("cheapest", "costliest")] == [6 / 8, 7 / 8]


@pytest.mark.nightly
def test_the_file_of_the_docs_is_what_the_code_gives() -> None:
    """`python docs/growth_cost.py` writes it."""
    for known in json.loads(RESULTS.read_text(encoding="utf-8"))["costs"][:1]:
        assert growth_cost(known["image_size"], SearchSettings(width=known["width"]), SpaceSettings()) == known
