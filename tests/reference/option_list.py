"""The list of all options, frozen: `python tests/reference/option_list.py` writes tests/golden/options.txt anew.

A new option is a decision: whether it is needed, in which group it stands, and whether `--help` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from degas.cli import commands as table
from degas.cli.arguments import Option, options_of
from degas.cli.help import is_shown
from degas.settings.groups import group_of

GOLDEN = Path(__file__).parents[1] / "golden" / "options.txt"


def commands() -> Iterator[tuple[Any, str]]:
    """Every command that takes options, with its full name."""
    for name, _ in table.summaries():
        members = getattr(table.command_module(name), "MEMBERS", ())
        for words in [[name, member] for member in members] or [[name]]:
            module, full, _ = table.find_command(words)
            yield module.Options, full


def option_list() -> str:
    """A line an option: how it is typed, its group, and `·` where `--help` shows it. Sections stand once, last."""
    lines: list[str] = []
    sections: dict[str, str] = {}
    for model, name in commands():
        options = list(options_of(model))
        shared = dict.fromkeys(option.path[0] for option in options if len(option.path) > 1)
        lines += [f"degas {name}", *(_line(option) for option in options if len(option.path) == 1)]
        lines += [f"    sections: {', '.join(shared)}"] if shared else []
        sections |= {option.key: _line(option) for option in options if len(option.path) > 1}
    return "\n".join([*lines, "sections", *sections.values()]) + "\n"


def _line(option: Option) -> str:
    group = "hidden" if option.argument.hidden else group_of(option.key)
    return f"  {'·' if is_shown(option) else ' '} {option.usage}  [{group}]"


if __name__ == "__main__":
    GOLDEN.write_text(option_list(), encoding="utf-8")
