"""`degas data info SRC` and `degas data fetch NAME`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from degas.cli.family import Command, Member, find_member
from degas.cli.options import DataFetchOptions, DataInfoOptions
from degas.data.notes import Note

SHOWN = 3  # pictures named of a problem
ABOUT = "what a data source holds; download an official one"


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    members = {
        "info": Member("what a source holds and what is wrong with it", lambda: Command(DataInfoOptions, info)),
        "fetch": Member("download an official archive", lambda: Command(DataFetchOptions, fetch)),
    }
    return find_member("data", ABOUT, members, arguments)


def info(options: DataInfoOptions) -> None:
    from degas.data_info import describe_data

    facts = describe_data(options.source, options.data, options.out)
    print(json.dumps(facts, indent=2, ensure_ascii=False) if options.as_json else in_words(facts))


def fetch(options: DataFetchOptions) -> None:
    from degas.data.fetch import fetch as fetched

    print(f"archive {fetched(options.name, options.out, quiet=options.quiet)}")


def in_words(facts: dict[str, Any]) -> str:
    """The facts of a data source, a line each; what was assumed and left out, and problems, last."""
    size, channels = facts["image_size"], facts["channels"]
    sizes = ", ".join(f"{name} ({count:,})" for name, count in facts["source_sizes"].items())
    more = facts["num_source_sizes"] - len(facts["source_sizes"])
    lines = [
        f"kind      {facts['kind']}",
        f"images    {facts['num_images']:,}, used as {channels}×{size}×{size}",
        f"stored as {sizes}{f' and {more:,} more sizes' if more > 0 else ''}",
        f"mean      {', '.join(f'{mean:.1f}' for mean in facts['mean_per_channel'][:channels])} of 255",
    ]
    if facts["classes"]:
        lines.append("classes   " + ", ".join(f"{name} ({count:,})" for name, count in facts["classes"].items()))
    lines += [f"note      {Note.from_facts(note)}" for note in facts["notes"]]
    lines += [_problem(problem) for problem in facts["problems"]] or ["problems  none found"]
    if "grid" in facts:
        lines.append(f"grid      {facts['grid']}")
    return "\n".join(lines)


def _problem(problem: dict[str, Any]) -> str:
    """How many pictures have it, and which, as far as a line goes; `--json` names more."""
    named = [" = ".join(its) if isinstance(its, list) else str(its) for its in problem["examples"][:SHOWN]]
    more = ", …" if named and problem["count"] > len(named) else ""
    return f"problem   {problem['count']:,} {problem['text']}{': ' if named else ''}{', '.join(named)}{more}"
