"""Registration by name: what is refused, what comes again, and how makers are called."""

from __future__ import annotations

from typing import Any

import pytest

from degas.errors import UserError
from degas.runtime.registry import Registry, call_with, takes


def first() -> None: ...


def second() -> None: ...


def test_names_that_are_taken_or_could_be_paths_are_refused() -> None:
    registry: Registry[Any] = Registry("critic", taken=("architecture",))
    registry.add("mine_2-b", first)
    registry.add("mine_2-b", first)  # as when a cell runs twice
    for name in ("mine_2-b", "architecture", "a/b", "a.json", ""):
        with pytest.raises(UserError, match=r"^critic '.*'"):
            registry.add(name, second)
    assert list(registry) == ["mine_2-b"]
    assert len(registry) == 1


def test_an_unknown_name_is_told_with_all_known_ones() -> None:
    registry: Registry[Any] = Registry("critic")
    registry.add("b", first)
    registry.add("a", second)
    assert registry.find("b", "--gan.critic") is first
    assert "c" not in registry
    with pytest.raises(UserError, match=r"^--gan\.critic: unknown critic 'c'; known are a, b; .*--import MODULE$"):
        registry.find("c", "--gan.critic")


def test_a_maker_gets_what_it_names() -> None:
    offered = {"width": 3, "channels": 1}
    assert call_with(lambda *, width, extra=5: (width, extra), offered, "x") == (3, 5)
    assert call_with(lambda **options: options, offered, "x") == offered
    with pytest.raises(UserError, match=r"^x: needs an argument 'size', .* choose from width, channels$"):
        call_with(lambda size: size, offered, "x")
    assert takes(lambda width: width, "width")
    assert takes(lambda **_: 0, "width")
    assert not takes(lambda size: size, "width")
