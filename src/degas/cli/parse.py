"""Arguments → a command's options on top of its preset, or a one-line error. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from degas.cli.arguments import Option, options_of
from degas.cli.commands import continues
from degas.cli.values import value_of
from degas.errors import UserError, nearest
from degas.settings.presets import PRESETS, preset_values
from degas.settings.rejections import complaint
from degas.settings.resolve import begun_run

HELP = ("-h", "--help", "--help-all")
STAGES_HAVE = ("--preset", "--seed", "--device", "--quiet", "--resume", "--dry-run")  # given to any command
MAX_LISTED = 20  # names in a message; if there are more, an unknown option points to the help instead

Options = TypeVar("Options", bound=BaseModel)
Typed = dict[Option, list[str]]


def parse(model: type[Options], command: str, arguments: Sequence[str]) -> Options:
    """The options of `degas COMMAND ARGUMENTS`; `UserError` names the setting and the nearest valid one.

    `--help` and `--help-all` print the help and raise `SystemExit(0)`.
    """
    options = list(options_of(model))
    if any(argument in HELP for argument in arguments):
        from degas.cli.help import help_text

        changes = _presets(_preset(arguments)) if "preset" in model.model_fields else {}
        print(help_text(model, command, changes, everything="--help-all" in arguments))
        raise SystemExit(0)
    given, stray = _tokenise(options, command, arguments)
    _fill_positionals(options, given, stray)
    names = {option.name for option in given}
    missing = [option for option in options if option.is_required and not names & {option.name, option.argument.unless}]
    if stray:
        raise UserError(_stray(stray[0], missing, command))
    if missing:
        raise UserError(f"missing {', '.join(map(_needed, missing))}; see degas {command} --help")
    values = {option: value_of(option, texts) for option, texts in given.items()}
    return _build(model, options, values)


def option_names(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Every option of a model with its type, including nested models: `--out`, `--search.width` …"""
    for option in options_of(model):
        yield option.name, option.annotation


def command_line() -> list[str]:
    """The command as the user would type it again, for environment.json."""
    return ["degas", *sys.argv[1:]] if Path(sys.argv[0]).name.startswith(("degas", "__main__")) else list(sys.argv)


# ---------------------------------------------------------------------------------------------------- words


def _tokenise(options: Sequence[Option], command: str, arguments: Sequence[str]) -> tuple[Typed, list[str]]:
    """Each option with the words that follow it, and the words without an option."""
    named = {option.name: option for option in options if not option.argument.positional}
    named |= {option.second_name: option for option in options if option.second_name}
    negative = {option.negative: option for option in options if option.negative}
    given: Typed = {}
    stray: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if not _is_name(word):
            stray.append(word)
        elif name in negative or (name in named and named[name].kind is bool):
            option = negative.get(name) or named[name]
            if equals:
                raise UserError(f"{name}: takes no value; write {option.name} or {option.negative}")
            given[option] = ["false" if name in negative else "true"]
        elif name in named:
            given[named[name]] = [value] if equals else _values(named[name], words)
        elif word == "--resume" and continues(command):
            continue  # for scripts that give it to every command
        else:
            raise UserError(_unknown(name, [*named, *negative, "--help", "--help-all"], command))
    return given, stray


def _is_name(word: str) -> bool:
    """`--out`, `-x`; `-1`, `-.5` and `-` are values."""
    return word.startswith("--") or (len(word) > 1 and word[0] == "-" and word[1].isalpha())


def _values(option: Option, words: list[str]) -> list[str]:
    """Take the option's values from the front of `words`."""
    taken: list[str] = []
    while words and not _is_name(words[0]) and (option.count is None or len(taken) < option.count):
        taken.append(words.pop(0))
    if not taken:
        raise UserError(f"{option.name}: its value is missing: {option.usage}")
    return taken


def _fill_positionals(options: Sequence[Option], given: Typed, stray: list[str]) -> None:
    """Assign words without an option to the positional fields, in order; the last field may take all the rest."""
    for option in options:
        if option.argument.positional and stray:
            count = len(stray) if option.count is None else 1
            given[option], stray[:count] = stray[:count], []


def _needed(option: Option) -> str:
    return f"{option.usage} or {option.argument.unless}" if option.argument.unless else option.usage


def _stray(word: str, missing: Sequence[Option], command: str) -> str:
    hint = f"did you mean {missing[0].name} {word}?" if missing else f"see degas {command} --help"
    return f"{word!r} belongs to no option; {hint}"


def _unknown(name: str, valid: Sequence[str], command: str) -> str:
    if name in STAGES_HAVE:
        return f"unknown setting {name}: degas {command} has none; leave it out"
    hint = nearest(name, valid)
    hint = hint if "did you mean" in hint or len(valid) <= MAX_LISTED else f"; see degas {command} --help"
    return f"unknown setting {name}{hint}"


# ---------------------------------------------------------------------------------------------------- values


def _preset(arguments: Sequence[str]) -> str:
    """Return the preset that the arguments name; the help shows its values."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--preset":
            return value if equals else next(iter(arguments[position + 1 :]), "default")
    return "default"


def _presets(preset: str, source: str = "", begun: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    if preset not in PRESETS:
        raise UserError(f"--preset: unknown preset {preset!r}{nearest(preset, PRESETS)}")
    return preset_values(preset, source, begun)


def _build(model: type[Options], options: Sequence[Option], values: Mapping[Option, Any]) -> Options:
    """Build the options from the model's defaults, the preset's changes and the given values, in this order."""
    own = {option.path[0]: value for option, value in values.items() if len(option.path) == 1}
    changes: dict[str, dict[str, Any]] = {}
    if "preset" in model.model_fields:
        begun = begun_run(own.get("out"))
        changes = _presets(str(own.get("preset", "default")), str(own.get("source", "")), begun)
    filled: dict[str, Any] = dict(own)
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            default = info.get_default(call_default_factory=True).model_dump(exclude_unset=True)
            given = {option.path[1]: value for option, value in values.items() if option.path[0] == name}
            filled[name] = {**default, **changes.get(name, {}), **given}
    try:
        return model(**filled)
    except ValidationError as error:
        raise UserError(_rejected(options, error)) from None


def _rejected(options: Sequence[Option], error: ValidationError) -> str:
    finding = error.errors()[0]
    place = tuple(part for part in finding["loc"] if isinstance(part, str))
    option = next((option for option in options if place[: len(option.path)] == option.path), None)
    name = option.name if option is not None else "--" + ".".join(place)
    return f"{name}: {complaint(finding)}"
