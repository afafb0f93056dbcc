"""Typed text → the value of an option, or a one-line error with the expected value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from degas.cli.arguments import Option
from degas.errors import UserError
from degas.settings.rejections import shown, unknown_value

UNITS = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")  # 5,000, as in the docs
LONGEST_NUMBER = 40  # characters; no setting needs more, and 1e999999999 would take all memory as a whole number


def value_of(option: Option, texts: Sequence[str]) -> Any:
    """Parse `texts` as the option's value; `UserError` names the option, the error and the expected value."""
    for text in texts:
        _reject_empty(option.name, text)
    count = option.count
    if count == 1:
        return _one(option, texts[0])
    if not texts or (count is not None and len(texts) != count):
        wanted = "one or more values" if count is None else f"{count} values"
        raise UserError(f"{option.name}: takes {wanted}, not {len(texts)}: {option.usage}")
    return tuple(_one(option, text) for text in texts)


def whole_number(text: str) -> int:
    """Parse a whole number as people write it: 200000, 200k, 1.5M, 5,000, 1_000; `ValueError` for anything else."""
    plain = text.strip()
    unit = UNITS.get(plain[-1:].lower(), 1)
    digits = plain[:-1] if unit > 1 else plain
    number = _decimal(digits.replace(",", "") if GROUPED.fullmatch(digits) else digits)
    if number is None or (unit == 1 and "." in digits) or number * unit != int(number * unit):
        raise ValueError(text)
    return int(number * unit)


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text) if len(text) <= LONGEST_NUMBER else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and number.adjusted() <= LONGEST_NUMBER else None


def _one(option: Option, text: str) -> Any:
    if option.choices:
        choices = {str(choice): choice for choice in option.choices}
        if text not in choices:
            raise UserError(f"{option.name}: {unknown_value(text, list(choices))}")
        return choices[text]
    if option.kind is bool:
        return text == "true"
    if option.kind is int:
        return _number(option, text, whole_number, "whole number, such as 200, 5,000 or 200k")
    if option.kind is float:
        return _number(option, text, float, "number, such as 0.01 or 3e-4")
    return _path(option, text) if option.kind is Path else text


def _number(option: Option, text: str, parse: Any, wanted: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise UserError(f"{option.name}: {shown(text)} is not a {wanted}") from None


def _path(option: Option, text: str) -> Path:
    endings = option.argument.endings
    return Path(text) if endings is None else output_path(option.name, text, endings)


def output_path(name: str, text: str, endings: Sequence[str]) -> Path:
    """The path of an output: a file with one of `endings`, or a folder if they are empty or contain ""."""
    path, ending = Path(text), Path(text).suffix.lower()
    files, folder = [known for known in endings if known], not endings or "" in endings
    if ending in files or (folder and (path.is_dir() or not _of_a_file(ending))):
        return path
    wanted = f"name a file that ends in {' or '.join(files)}" if files else "name a folder, without a file's ending"
    had = f"ends in {ending}" if ending else "is a folder" if path.is_dir() else "has no ending"
    raise UserError(f"{name} {text}: {had}; {wanted}{', or a folder' if files and folder else ''}")


def _of_a_file(ending: str) -> bool:
    """Return whether the ending is a known file suffix, unlike `.2` of runs/v1.2."""
    known = any(MimeTypes().guess_type(f"x{ending}", strict=False))  # Python's own table, equal on all machines
    return known or ending in (".npz", ".npy", ".pt2", ".onnx", ".safetensors")


def _reject_empty(name: str, text: str) -> None:
    """Reject an empty path, which would mean the current folder, and a NUL byte, which no path can hold."""
    if not text:
        raise UserError(f"{name}: is empty; give a value")
    if "\0" in text:
        raise UserError(f"{name}: holds a NUL byte; give a plain value")
