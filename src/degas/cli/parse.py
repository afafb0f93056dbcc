"""Arguments → a command's options, with presets, and one line instead of a box when they are wrong.

tyro reads the options off the pydantic models; this module adds the presets beneath what the user gives and turns
tyro's messages into one line each. Imports no torch, so that help is instant.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro
from pydantic import BaseModel

from degas.errors import UserError, nearest
from degas.presets import PRESETS, preset_values

# How tyro and pydantic word the two mistakes that deserve better than their own sentence.
MAX_LISTED = 20  # names in a message; an unknown option unlike any other gets the way to the help instead
INVALID_CHOICE = r"invalid choice '(.*?)' for argument '(.*?)'\. Expected one of \((.*)\)"
OUT_OF_RANGE = r"Error parsing (.*?): \d+ validation errors? for \w+ (\S+) (.*?) \[type=.*?input_value=(.*?), input"

Options = TypeVar("Options", bound=BaseModel)


def parse(model: type[Options], command: str, arguments: Sequence[str]) -> Options:
    """The options of `degas COMMAND ARGUMENTS`; `UserError` names the setting and the nearest valid one.

    `--help` prints the help and raises `SystemExit(0)`.
    """
    arguments = [_with_hyphens(argument) for argument in arguments]
    _check_values(arguments)
    if "-h" not in arguments and "--help" not in arguments:
        _check_names(model, command, arguments)
    default = _defaults(model, arguments)
    captured = io.StringIO()
    try:
        with _one_wide_line(captured, arguments):
            return tyro.cli(model, prog=f"degas {command}", args=arguments, default=default)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{_message(captured.getvalue())}; see degas {command} --help") from None


def option_names(model: type[BaseModel], prefix: str = "--") -> Iterator[tuple[str, Any]]:
    """Every option of a model with its annotation, nested models included: `--out`, `--search.width` …"""
    for name, field in model.model_fields.items():
        label = next((m.name for m in field.metadata if getattr(m, "name", None)), name).replace("_", "-")
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from option_names(annotation, f"{prefix}{label}.")
        else:
            yield prefix + label, annotation


def _with_hyphens(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _check_names(model: type[BaseModel], command: str, arguments: Sequence[str]) -> None:
    valid = {"--help"}
    for name, annotation in option_names(model):
        valid.add(name)
        if annotation is bool:
            head, _, tail = name.rpartition(".") if "." in name else ("", "", name.removeprefix("--"))
            valid.add(f"{head}.no-{tail}" if head else f"--no-{tail}")
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--") and name not in valid:
            hint = nearest(name, valid)
            hint = hint if "did you mean" in hint or len(valid) <= MAX_LISTED else f"; see degas {command} --help"
            raise UserError(f"unknown setting {name}{hint}")


def _check_values(arguments: Sequence[str]) -> None:
    """An empty path would mean the current folder, which nobody asked for; a NUL byte fits no path."""
    before = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not argument or (equals and not value and name.startswith("--")):
            raise UserError(f"{name or before or 'an argument'}: is empty; give a value")
        if "\0" in argument:
            raise UserError(f"{before or 'an argument'}: holds a NUL byte; give a plain value")
        before = name


def _defaults(model: type[Options], arguments: Sequence[str]) -> Options:
    """The model's defaults under the preset the arguments name; fields without a default stay missing."""
    preset = _value_of("--preset", arguments) or "default"
    if preset not in PRESETS:
        raise UserError(f"--preset: unknown preset {preset!r}{nearest(preset, PRESETS)}")
    changes = preset_values(preset, _value_of("--data", arguments) or "")
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        default = tyro.MISSING if field.is_required() else field.get_default(call_default_factory=True)
        section = changes.get(name)
        values[name] = type(default)(**{**default.model_dump(), **section}) if section else default
    return model.model_construct(**values)


def _value_of(option: str, arguments: Sequence[str]) -> str | None:
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option:
            return value if equals else next(iter(arguments[position + 1 :]), None)
    return None


@contextlib.contextmanager
def _one_wide_line(captured: io.StringIO, arguments: Sequence[str]) -> Iterator[None]:
    """Catch what tyro prints when it fails, unwrapped; let help through."""
    if "-h" in arguments or "--help" in arguments:
        yield
        return
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "4000"
    try:
        with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(captured):
            yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _message(box: str) -> str:
    """What tyro says beneath its title (captured, it draws rules, no box), in one line, with the nearest choice."""
    paragraphs: list[list[str]] = [[]]
    for line in map(str.strip, box.splitlines()):
        if line and set(line) <= set("-"):
            paragraphs.append([])
        elif line:
            paragraphs[-1].append(line)
    text = " ".join(" ".join(paragraphs[min(1, len(paragraphs) - 1)]).split())
    if choice := re.match(INVALID_CHOICE, text):
        value, option, valid = choice.groups()
        names = re.findall(r"[\w.-]+", valid)
        return f"{option}: unknown value {value!r}{nearest(value, names)}"
    if range_error := re.match(OUT_OF_RANGE, text):
        section, field, complaint, value = range_error.groups()
        field = re.sub(r"\.\d+$", "", field).replace("_", "-")  # one entry of several
        option = f"--{field}" if section.endswith("Options") else f"--{section}.{field}"
        return f"{option}: {complaint[0].lower()}{complaint[1:]}, not {value}"
    if text.startswith("Missing from"):
        return "missing " + ", ".join(re.findall(r"--[\w.-]+ [A-Z]+|\b[A-Z]{3,}\b", text))
    text = re.sub(r"invalid literal for int\(\) with base 10: ('.*')", r"\1 is not a whole number", text)
    text = re.sub(r"could not convert string to float: ('.*')", r"\1 is not a number", text)
    return text.removeprefix("Error parsing ").rstrip(".")[:300]


def command_line() -> list[str]:
    """The command as the user would type it again, for environment.json."""
    return ["degas", *sys.argv[1:]] if Path(sys.argv[0]).name.startswith(("degas", "__main__")) else list(sys.argv)
