"""The help of a command: examples, then common options; on request all options, in groups."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from degas.cli.arguments import Option, options_of
from degas.cli.own_modules import OWN
from degas.settings.groups import GROUPS, SHOWN, VARIANTS, default_text, group_of, meaning_and_unset, variant_of

WIDEST, INDENT, COLUMN = 110, 2, 26  # characters: of a line, before an option, before its description
SOURCE = re.compile(r" \[[^\]]*\]$")
Changes = Mapping[str, Mapping[str, Any]]


def help_text(model: type[BaseModel], command: str, changes: Changes, *, everything: bool = False) -> str:
    """The help of `degas COMMAND`; `changes` are a preset's and shown as defaults."""
    options = [option for option in options_of(model) if not option.argument.hidden]
    values = _defaults(model, changes)
    shown = sorted((option for option in options if is_shown(option)), key=lambda option: len(option.path))
    blocks = [_head(model, command, options), *_examples(model)]
    if not everything:
        blocks.append(_block("options", shown, values, sources=False))
        rest = len(options) - len(shown)
        more = f"{rest} more option{'s' if rest > 1 else ''}: --help-all; " if rest else ""
        return "\n\n".join([*blocks, more + OWN])
    others = [option for option in options if group_of(option.key) == GROUPS[0] and option not in shown]
    blocks.append(_block("common", [*shown, *others], values))
    for group in GROUPS[1:]:
        mine = [option for option in options if group_of(option.key) == group and option not in shown]
        blocks += _variants(mine, values) if group == "search variants" else []
        blocks += [_block(group, mine, values)] if mine and group != "search variants" else []
    return "\n\n".join([*blocks, OWN])


def is_shown(option: Option) -> bool:
    """Return whether `--help` shows the option, or only `--help-all`."""
    if option.argument.hidden or option.argument.rare:
        return False
    return len(option.path) == 1 or option.key in SHOWN


def describe(option: Option, value: Any, *, sources: bool = True) -> str:
    """Return the meaning of an option, its default, and the default's source."""
    text, words = meaning_and_unset(option.key, str(option.info.description or "").strip())
    text = text if sources else SOURCE.sub("", text)
    if option.is_required:
        unless = f" unless {option.argument.unless} is given" if option.argument.unless else ""
        return f"{text} (required{unless})"
    if option.kind is bool:
        return f"turn off: {text}" if value else text
    if value is not None and value != ():
        return f"{text} (default: {default_text(value)})"
    return f"{text} (default: {words})" if words else text


def _head(model: type[BaseModel], command: str, options: Sequence[Option]) -> str:
    needed = [option.usage for option in options if option.is_required or option.argument.positional]
    about = " ".join(str(model.__doc__).split())
    return f"usage: {' '.join(['degas', command, *needed, '[OPTIONS]'])}\n\n{_wrapped(about, 0)}"


def _examples(model: type[BaseModel]) -> list[str]:
    lines = getattr(model, "EXAMPLES", ())
    return ["\n".join(["examples", *(f"{'':{INDENT}}{line}" for line in lines)])] if lines else []


def _variants(options: Sequence[Option], values: Mapping[str, Any]) -> Iterator[str]:
    """The options of each variant, below its description and its measurements."""
    first = True
    for variant in VARIANTS:
        mine = [option for option in options if variant_of(option.key) is variant]
        if mine:
            yield _block(f"{'search variants' if first else '  …'} · {variant.heading}", mine, values)
            first = False


def _block(title: str, options: Sequence[Option], values: Mapping[str, Any], *, sources: bool = True) -> str:
    return "\n".join([_wrapped(title, 0), *(_line(option, values, sources) for option in options)])


def _line(option: Option, values: Mapping[str, Any], sources: bool) -> str:
    value = values.get(option.key)
    off = option.negative if option.kind is bool and value else None  # a switch that is on can only be turned off
    usage = off or option.usage
    about = _wrapped(describe(option, value, sources=sources), COLUMN)
    room = COLUMN - INDENT - 2
    if len(usage) > room:
        return f"{'':{INDENT}}{usage}\n{about}"
    return f"{'':{INDENT}}{usage:<{room}}  {about.lstrip()}"


def _wrapped(text: str, indent: int) -> str:
    width = min(WIDEST, shutil.get_terminal_size().columns)
    space = " " * indent
    return textwrap.fill(
        text,
        max(width, indent + 30),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _defaults(model: type[BaseModel], changes: Changes) -> dict[str, Any]:
    """Key → the value in force if none is given."""
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            section = {**{key: getattr(default, key) for key in type(default).model_fields}, **changes.get(name, {})}
            values |= {f"{name}.{key}": value for key, value in section.items()}
        else:
            values[name] = default
    return values
