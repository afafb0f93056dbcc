"""Trials made ahead as a pool does, each by a measurement that ends with it, in this process, the last one first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from degas_lab.ahead import OnlyOne, TrialMade
from degas_lab.trials import AHEAD, Ahead, Trials


@contextmanager
def made_one_by_one(measure: Callable[[], object]) -> Iterator[list[str]]:
    """Inside the block `measure` makes its trials so; the names of those that were made, in order."""
    made: list[str] = []

    def one_by_one(trials: Trials, missing: Mapping[str, Any]) -> dict[str, str]:
        for name in reversed(missing):
            with ahead(OnlyOne(trials.folder.absolute(), name)), pytest.raises(TrialMade):
                measure()
            made.append(name)
        return {}

    with ahead(one_by_one):
        yield made


@contextmanager
def ahead(how: Ahead) -> Iterator[None]:
    token = AHEAD.set(how)
    try:
        yield
    finally:
        AHEAD.reset(token)
