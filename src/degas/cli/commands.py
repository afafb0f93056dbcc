"""The table of commands: degas' own, and those of installed packages.

A package adds commands through the entry point group `degas.commands`: the entry's name is the command, its value a
module. The module has `Options` (a pydantic model) and `main(options)`; a family of commands has
`find_command(arguments)` and `MEMBERS`, its commands by name. It may define `SUMMARY` (its line in `degas --help`),
`LOWER` (options to lower if memory runs out) and `GOES_ON` (how to continue a stopped command). Importing the module
must not need torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from degas.errors import UserError, nearest

# Command → (one line of help, module of `degas.cli`), in the order of the help. A module has `Options` and `main`.
COMMANDS = {
    "run": ("all stages in order: search, train, evaluate, sample, report", "run"),
    "search": ("search a generator architecture for your images", "search"),
    "train": ("train an architecture, or a baseline, as the generator of a GAN", "train"),
    "evaluate": ("measure a generator: Fréchet distance, KID, …", "evaluate"),
    "invert": ("latents for given images with a trained generator frozen", "invert"),
    "sample": ("draw samples from a generator", "sample"),
    "export": ("write a generator for ONNX Runtime or torch.export", "export"),
    "report": ("write one HTML page about one run or several", "report"),
    "sweep": ("run many trials from one file, on all cores or a cluster", "sweep"),
    "describe": ("an architecture in words, numbers and a picture", "describe"),
    "random": ("draw a random architecture", "random"),
    "space": ("the search space and its counts", "space"),
    "data": ("inspect a data source; download an official one; manage the cache", "data"),
    "features": ("train a classifier to measure with", "features"),
}
GROUP = "degas.commands"
# Options that lower a command's memory. The batch size of evaluations does not: forward passes take 16 images.
LOWER = {
    "run": "--search.width, --search.batch-images, --gan.width or --gan.batch-images",
    "search": "--search.width, --search.batch-images or --data.image-size",
    "train": "--gan.width, --gan.batch-images, --gan.generator-batch-images or --data.image-size",
    "evaluate": "--evaluate.num-samples or --data.max-images",
    "invert": "--invert.batch-images or --data.max-images",
    "sample": "--num-images",
    "data": "--data.max-images or --data.image-size",
    "features": "--data.max-images or --data.image-size",
}
# How to resume a stopped command; a command that is not listed starts again.
GOES_ON = dict.fromkeys(("search", "train"), "; continue with --resume")
AGAIN = "the same command continues"
GOES_ON |= dict.fromkeys(("run", "sweep", "invert"), f"; {AGAIN}")


def find_command(arguments: Sequence[str]) -> tuple[Any, str, list[str]]:
    """The module of a command with `Options` and `main`, its full name, and its remaining arguments.

    The module may be a family, with its own `find_command` for the words after its name.
    """
    name, *rest = arguments
    module = command_module(name)
    if module is None:
        raise UserError(f"unknown command {name!r}{nearest(name, [*COMMANDS, *added_commands()])}")
    return module.find_command(rest) if hasattr(module, "find_command") else (module, name, rest)


def command_module(name: str) -> Any | None:
    """The module of a command, or None if there is none; degas' own commands take precedence over added ones."""
    if name in COMMANDS:
        return importlib.import_module(f"degas.cli.{COMMANDS[name][1]}")
    added = added_commands()
    return added[name].load() if name in added else None


def added_commands() -> dict[str, EntryPoint]:
    """Commands of other packages by name, sorted."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def summaries() -> Iterator[tuple[str, str]]:
    """Every command with its line of help."""
    yield from ((name, summary) for name, (summary, _) in COMMANDS.items())
    for name, entry in added_commands().items():
        if name not in COMMANDS:
            yield name, str(getattr(entry.load(), "SUMMARY", f"a command of {entry.value.partition('.')[0]}"))


def hint(command: str, table: dict[str, str], attribute: str) -> str:
    """Return the entry of a command in `table`, or `attribute` of an added command's module; else ""."""
    if command in table or command in COMMANDS:
        return table.get(command, "")
    try:
        return str(getattr(command_module(command), attribute, ""))
    except Exception:  # `hint` runs while another, more important error is reported
        return ""


def continues(command: str) -> bool:
    """Return whether `command` ("sweep", "experiment paper") continues by itself, so that --resume adds nothing."""
    return AGAIN in hint(command.partition(" ")[0], GOES_ON, "GOES_ON")
