from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from degas.nas.alpha.step import alpha_rate

Make = Callable[..., Any]


def test_alpha_rate_grows_as_the_search_shrinks(make_settings: Make) -> None:
    rates = [alpha_rate(make_settings(), steps) for steps in (100, 1000, 2000, 10_000, 100_000)]
    assert rates == pytest.approx([0.03, 0.015, 0.0075, 1.5e-3, 3e-4])
    assert alpha_rate(make_settings(alpha_lr=0.1), 10) == 0.1
