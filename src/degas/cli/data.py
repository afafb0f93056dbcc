"""`degas data info SRC`, `degas data fetch NAME` and `degas data cache`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degas.cli.family import Command, Member, find_member
from degas.cli.tool_options import DataCacheOptions, DataFetchOptions, DataInfoOptions
from degas.data.notes import Note

if TYPE_CHECKING:
    from degas.data.cache_contents import Entry

OLD_DAYS = 30  # after this, `data cache` mentions that an entry could be removed
SHOWN = 3  # pictures named per problem
ABOUT = "inspect a data source; download an official one; manage the cache"
MEMBERS = {
    "info": Member("contents and problems of a source", lambda: Command(DataInfoOptions, info)),
    "fetch": Member("download an official archive", lambda: Command(DataFetchOptions, fetch)),
    "cache": Member("list or empty the cache folder", lambda: Command(DataCacheOptions, cache)),
}


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    return find_member("data", ABOUT, MEMBERS, arguments)


def info(options: DataInfoOptions) -> None:
    from degas.api.data_info import describe_data

    facts = describe_data(options.source, options.data, options.out)
    print(json.dumps(facts, indent=2, ensure_ascii=False) if options.as_json else in_words(facts))


def fetch(options: DataFetchOptions) -> None:
    from degas.data.fetch import fetch as fetched

    print(f"archive {fetched(options.name, options.out, quiet=options.quiet)}")


def cache(options: DataCacheOptions) -> None:
    from degas.data.cache import cache_folder
    from degas.data.cache_contents import DOWNLOADS, cache_entries, clear
    from degas.settings.sections import DataSettings

    folder = cache_folder(DataSettings(cache=options.folder))
    entries = cache_entries(folder)
    if not options.clear:
        print(cache_in_words(folder, entries))
        return
    chosen = [entry for entry in entries if options.downloads or entry.kind != DOWNLOADS]
    num, num_bytes = clear([entry for entry in chosen if entry.unused_days() >= options.unused_days])
    left = len(entries) - num
    print(f"cleared   {num:,} of {len(entries):,}, {_mebibytes(num_bytes)}; {left:,} left in {folder}")


def cache_in_words(folder: Path, entries: list[Entry]) -> str:
    """Return a line for each kind of entry, and advice on what to remove."""
    lines = [f"cache     {folder}, {_mebibytes(sum(entry.num_bytes for entry in entries))}"]
    for entry in entries:
        used = f"used {max(0, round(entry.unused_days()))} days ago"
        lines.append(f"{entry.kind:<10}{_mebibytes(entry.num_bytes):>12}  {used:<17} {entry.words}")
    old = [entry for entry in entries if entry.unused_days() >= OLD_DAYS]
    if old:
        size = _mebibytes(sum(entry.num_bytes for entry in old))
        lines.append(f"advice    {size} unused for {OLD_DAYS} days: degas data cache --clear --unused-days {OLD_DAYS}")
    return "\n".join(lines)


def _mebibytes(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB"


def in_words(facts: dict[str, Any]) -> str:
    """Return the facts of a data source, one per line; notes and problems come last."""
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
    """Return a line with the number of pictures with the problem and a few names; `--json` names more."""
    named = [" = ".join(names) if isinstance(names, list) else str(names) for names in problem["examples"][:SHOWN]]
    more = ", …" if named and problem["count"] > len(named) else ""
    return f"problem   {problem['count']:,} {problem['text']}{': ' if named else ''}{', '.join(named)}{more}"
