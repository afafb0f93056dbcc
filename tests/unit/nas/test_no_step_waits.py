"""Search steps on a pretended GPU: all of a step's tensors are there, and the host never waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pretend_gpu import META, Waits, pretend

from degas.nas.state import Search
from degas.nas.supernet.supernet import Supernet
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]


@pytest.fixture
def make_search(monkeypatch: pytest.MonkeyPatch, make_images: Make, make_settings: Make) -> Make:
    monkeypatch.setattr(Supernet, "alpha_by_name", lambda _self: {})  # reads, once, before the first step

    def make(**changes: Any) -> Search:
        settings = make_settings(**changes)
        return Search(make_images(), settings, SpaceSettings(), seed=0, engine=pretend(monkeypatch))

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "alternate"},
        {"schedule": "alternate", "alpha_batch": "held_out", "held_out_fraction": 0.5},
        {"schedule": "alternate", "order": "second", "weight_optimizer": "sgd"},
        {"relaxation": "gumbel", "beta_weight": 1.0, "cost_weight": 0.1},
    ],
    ids=str,
)
def test_no_search_step_waits(changes: dict[str, Any], make_search: Make) -> None:
    search = make_search(**changes)
    search.step(0)  # which makes the constants that all steps share
    with Waits() as waits:
        terms = search.step(1)
    assert waits.found == []
    assert {value.device for value in terms.values()} == {META}
    assert {batch.device for batch in (search.weight_batches(0).index, search.weight_batches(0).images)} == {META}
