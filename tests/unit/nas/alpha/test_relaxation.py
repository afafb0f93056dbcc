"""Temperature and Gumbel noise of a search: closed forms, and where the noise comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from degas.nas.alpha.relaxation import Relaxation, gumbel
from degas.nas.settings import resolve_search
from degas.nas.supernet.mixing import Mixing
from degas.nas.supernet.supernet import Supernet
from degas.space.graph import SearchSpace

Make = Callable[..., Any]


@pytest.fixture
def supernet() -> Supernet:
    return Supernet(SearchSpace(1), base_size=4, width=2, noise_size=3, channels=1)


def noises(supernet: Supernet) -> list[torch.Tensor]:
    rules = [supernet.edge(slot).mixing_rule for slot in supernet.space.slots]
    return [rule.noise for rule in rules if rule.noise is not None]


def test_noise_is_standard_gumbel() -> None:
    """Mean Euler's constant, variance π²/6; the largest of α + g is operation k with probability softmax(α)_k."""
    generator = torch.Generator().manual_seed(0)
    alpha = torch.tensor([0.5, 0.0, -1.0], dtype=torch.float64)
    rows = gumbel(torch.empty(200_000, 3, dtype=torch.float64), generator)
    assert float(rows.mean()) == pytest.approx(0.577216, abs=0.01)
    assert float(rows.var()) == pytest.approx(math.pi**2 / 6, abs=0.02)
    wins = torch.bincount((alpha + rows).argmax(1), minlength=3) / len(rows)
    assert wins.tolist() == pytest.approx(torch.softmax(alpha, 0).tolist(), abs=0.005)


def test_noise_depends_on_seed_step_and_purpose_alone(supernet: Supernet, make_settings: Make) -> None:
    def drawn(seed: int, step: int, purpose: str) -> list[float]:
        relaxation = Relaxation(
            supernet, resolve_search(make_settings(relaxation="gumbel"), 24), total_steps=10, seed=seed
        )
        relaxation.draw(step, purpose)
        return torch.cat(noises(supernet)).tolist()

    first = drawn(0, 3, "alpha")
    drawn(0, 4, "alpha")
    assert drawn(0, 3, "alpha") == first
    assert (
        len({tuple(first), *(tuple(drawn(*key)) for key in ((1, 3, "alpha"), (0, 4, "alpha"), (0, 3, "weights")))}) == 4
    )
    assert len(set(first)) == len(first)  # each operation of each edge has its own


def test_rest_has_no_noise(supernet: Supernet, make_settings: Make) -> None:
    relaxation = Relaxation(
        supernet, resolve_search(make_settings(relaxation="gumbel", temperature=0.5), 24), total_steps=10, seed=0
    )
    relaxation.draw(3, "weights")
    assert len(noises(supernet)) == len(supernet.space.slots)
    relaxation.rest(4)
    assert not noises(supernet)
    assert all(supernet.edge(slot).mixing_rule == Mixing(0.5) for slot in supernet.space.slots)


def test_temperature_falls_in_equal_ratios(supernet: Supernet, make_settings: Make) -> None:
    relaxation = Relaxation(
        supernet, resolve_search(make_settings(temperature=4.0, temperature_end=0.25), 24), total_steps=4, seed=0
    )
    assert [relaxation.temperature(step) for step in range(5)] == pytest.approx([4.0, 2.0, 1.0, 0.5, 0.25])
    constant = Relaxation(supernet, resolve_search(make_settings(temperature=3.0), 24), total_steps=4, seed=0)
    assert [constant.temperature(step) for step in (0, 4)] == [3.0, 3.0]
