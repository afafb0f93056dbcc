"""Who takes part in the comparison, and that it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from degas.data.image_set import ImageSet
from degas.nets.cost import architecture_cost
from degas.nets.extremes import extreme_edges
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.fits import found_vs_random as module

FOUND = Architecture(3, 1, 4, 32, 128, 3, SearchSpace().draw(7))


def parameters(architecture: Architecture) -> int:
    return architecture_cost(architecture).num_parameters


def test_equal_size_means_within_ten_percent_and_not_the_found_one() -> None:
    draws = module.equal_size_draws(FOUND, 5)
    assert len(set(draws)) == 5
    assert FOUND.edges not in draws
    target = parameters(FOUND)
    for edges in draws:
        size = parameters(Architecture(3, 1, 4, 32, 128, 3, edges))
        assert abs(size - target) <= 0.1 * target


def test_the_extremes_bound_every_draw() -> None:
    sizes = [
        parameters(Architecture(3, 1, 4, 32, 128, 3, extreme_edges(SearchSpace(), 32, largest)))
        for largest in (False, True)
    ]
    drawn = [parameters(Architecture(3, 1, 4, 32, 128, 3, SearchSpace().draw(seed))) for seed in range(100)]
    assert sizes[0] <= min(drawn)
    assert max(drawn) <= sizes[1]


def test_the_contestants_are_ten_random_five_equal_and_the_extremes() -> None:
    kinds = [kind for _, kind, _ in module.contestants(FOUND, 10, 5)]
    assert kinds == ["found", *["random"] * 10, *["equal_size"] * 5, "smallest", "biggest"]


def test_finished_trials_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Architecture] = []

    def fit(architecture: Architecture, *_: Any, **__: Any) -> float:
        fitted.append(architecture)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(module, "fit_alone", fit)
    images = ImageSet(np.zeros((4, 3, 32, 32), np.uint8), None, (), "test", "0")

    def run() -> dict[str, dict[str, Any]]:
        return module.found_vs_random(
            FOUND, images, SearchSettings(), tmp_path, engine=None, num_random=2, num_equal=1, say=lambda line: None
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    records = run()
    assert len(fitted) == 7  # six contestants, one of them interrupted once
    assert {record["kind"] for record in records.values()} == {"found", "random", "equal_size", "smallest", "biggest"}
    assert records["found"]["num_parameters"] == parameters(FOUND)
