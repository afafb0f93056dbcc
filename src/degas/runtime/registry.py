"""Registries of things added by name, one table per kind; an unknown name is a user's error. No torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from degas.errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Name → class or function of one kind, in the order of registration.

    Args:
        kind: the word for its things in messages, such as "objective".
        taken: reserved names, which already mean something else.
    """

    def __init__(self, kind: str, taken: tuple[str, ...] = ()) -> None:
        self.kind, self.taken = kind, taken
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Register `thing`; raises `UserError` if the name is taken or could be a path.

        The same definition may be registered again, for instance when a notebook's cell runs twice.
        """
        if not name.replace("-", "").replace("_", "").isalnum():
            raise UserError(
                f"{self.kind} {name!r}: use letters, digits, - and _, so that it cannot be taken for a path"
            )
        if name in self.taken or (name in self._things and not _same(self._things[name], thing)):
            raise UserError(f"{self.kind} {name!r} is already registered; choose another name")
        self._things[name] = thing

    def find(self, name: str, where: str, also: Iterable[str] = ()) -> T:
        """The thing with this name; else a `UserError` that begins with `where` and lists known names and `also`."""
        if name not in self._things:
            raise UserError(
                f"{where}: unknown {self.kind} {name!r}; known are {', '.join(sorted({*self._things, *also}))}; "
                "import your own with --import MODULE"
            )
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)


def _same(old: object, new: object) -> bool:
    """Return whether both have the same source; a file imported by path and by module name is one file."""

    def origin(thing: object) -> tuple[Any, Any]:
        try:
            return inspect.getsourcefile(thing), getattr(thing, "__qualname__", None)  # type: ignore[arg-type]
        except TypeError:
            return getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)

    return old is new or origin(old) == origin(new)


def call_with(maker: Callable[..., T], offered: Mapping[str, Any], where: str) -> T:
    """Call `maker` with the `offered` arguments that its signature names, or with all of them if it takes `**`.

    Raises `UserError` if it needs an argument that is not offered.
    """
    parameters = inspect.signature(maker).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return maker(**offered)
    by_name = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for parameter in by_name:
        if parameter.default is parameter.empty and parameter.name not in offered:
            raise UserError(
                f"{where}: needs an argument {parameter.name!r}, which degas does not offer; give it a default, or "
                f"choose from {', '.join(offered)}"
            )
    return maker(**{p.name: offered[p.name] for p in by_name if p.name in offered})


def takes(maker: Callable[..., Any], name: str) -> bool:
    """Return whether `maker` can be called with an argument of this name."""
    parameters = inspect.signature(maker).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
