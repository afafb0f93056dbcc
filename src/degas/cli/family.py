"""A family of commands, such as `degas data info` and `degas data fetch`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from degas.cli.own_modules import OWN
from degas.errors import UserError, nearest


class Member(NamedTuple):
    """One command of a family: its line of help, and a loader of the object with `Options` and `main`."""

    summary: str
    load: Callable[[], Any]


class Command(NamedTuple):
    """A command without its own module."""

    Options: Any
    main: Callable[[Any], None]


def find_member(
    family: str, about: str, members: Mapping[str, Member], arguments: Sequence[str]
) -> tuple[Any, str, list[str]]:
    """Return the member named by the first argument, its full name, and the other arguments; print requested help."""
    if not arguments:
        raise UserError(f"missing NAME; choose from {', '.join(members)}; see degas {family} --help")
    name, *rest = arguments
    if name in ("-h", "--help", "--help-all", "help"):
        if rest:
            raise UserError(f"degas {family} {name} takes nothing after it; leave out {rest[0]!r}")
        print(help_text(family, about, members))
        raise SystemExit(0)
    if name not in members:
        raise UserError(f"unknown command '{family} {name}'{nearest(name, members)}")
    return members[name].load(), f"{family} {name}", rest


def help_text(family: str, about: str, members: Mapping[str, Member]) -> str:
    width = max(map(len, members))
    lines = [f"  {name:<{width}}  {member.summary}" for name, member in members.items()]
    usage = f"usage: degas {family} NAME [OPTIONS]      degas {family} NAME --help shows its options"
    return "\n".join([f"degas {family}: {about}", "", usage, "", *lines, "", OWN])
