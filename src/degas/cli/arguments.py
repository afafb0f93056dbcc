"""A command's options, from its model of settings: names, values, kinds. Imports no torch."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Argument:
    """Properties of a field on the command line beyond its name and type.

    `endings`: the allowed suffixes of an output file; () for a folder. `hidden`: accepted but not shown. `rare`: shown
    only by `--help-all`. `unless`: the option is required unless this other one is given.
    """

    name: str | None = None
    metavar: str | None = None
    positional: bool = False
    endings: tuple[str, ...] | None = None
    hidden: bool = False
    rare: bool = False
    unless: str | None = None


@dataclass(frozen=True, eq=False)
class Option:
    """One option of a command. `path` leads to its value: ("search", "width") is `--search.width`."""

    path: tuple[str, ...]
    info: FieldInfo
    argument: Argument

    @property
    def key(self) -> str:
        """The name on the settings page: `search.batch_images`, or `seed`."""
        return ".".join(self.path)

    @property
    def name(self) -> str:
        """The name as typed: `--search.batch-images`, or `FILE` for a positional argument."""
        if self.argument.positional:
            return self.metavar
        last = self.argument.name or self.path[-1]
        return "--" + ".".join((*self.path[:-1], last)).replace("_", "-")

    @property
    def second_name(self) -> str | None:
        """Another name that means the same: `--search.measuring-batches`."""
        alias = self.info.validation_alias
        return "--" + ".".join((*self.path[:-1], alias)).replace("_", "-") if isinstance(alias, str) else None

    @property
    def is_required(self) -> bool:
        """Whether it must be given; if `argument.unless` names another option, only without that one."""
        return self.info.is_required() or self.argument.unless is not None

    @property
    def negative(self) -> str | None:
        """The option that turns a switch off: `--gan.no-supervised`; None for other options."""
        head, _, last = self.name.removeprefix("--").rpartition(".")
        return f"--{head}.no-{last}".replace("--.", "--") if self.kind is bool else None

    @property
    def annotation(self) -> Any:
        """The type of a value, without None and without bounds."""
        return _plain(self.info.annotation)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of an option with fixed choices, else ()."""
        kind = self._item
        return get_args(kind) if get_origin(kind) is Literal else ()

    @property
    def kind(self) -> type:
        """The type of one value: int, float, bool, str or Path."""
        return type(self.choices[0]) if self.choices else self._item

    @property
    def count(self) -> int | None:
        """The number of values: 1, a fixed number, or None for one or more."""
        if get_origin(self.annotation) is not tuple:
            return 1
        items = get_args(self.annotation)
        return None if items[-1] is Ellipsis else len(items)

    @property
    def metavar(self) -> str:
        """The placeholder of the value in help and messages."""
        if self.argument.metavar:
            return self.argument.metavar
        if self.choices:
            return "{" + ",".join(map(str, self.choices)) + "}"
        return {int: "N", float: "X", Path: "PATH", bool: ""}.get(self.kind, "NAME")

    @property
    def usage(self) -> str:
        """Name and value: `--out RUN`, `--gan.betas X X`, `--resume`."""
        value = " ".join([self.metavar] * (self.count or 1)) + (" …" if self.count is None else "")
        return value if self.argument.positional else f"{self.name} {value}".rstrip()

    @property
    def _item(self) -> Any:
        return _plain(get_args(self.annotation)[0]) if get_origin(self.annotation) is tuple else self.annotation


def options_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option of a model, including its sections, in the order of the fields."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from options_of(info.annotation, (*path, name))
        else:
            given = next((extra for extra in info.metadata if isinstance(extra, Argument)), Argument())
            yield Option((*path, name), info, given)


def _plain(annotation: Any) -> Any:
    """The type without `Annotated` and without None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation
