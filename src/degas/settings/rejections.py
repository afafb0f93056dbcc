"""Reasons for rejecting a value: pydantic's errors as plain clauses. Knows no setting and no torch."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from degas.errors import UserError, nearest

# pydantic's kind of error → clause; `{…}` is a value of its context.
_TEXTS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "finite_number": "must be a finite number",
    "too_short": "needs {min_length} or more values",
    "too_long": "takes at most {max_length} values",
    "missing": "a value is missing",
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text",
    "path": "must be a path",
    "tuple": "must be a list of values",
}


def complaint(finding: Mapping[str, Any]) -> str:
    """`must be at least 1, not 0`, for one entry of `ValidationError.errors()`."""
    kind, context, value = str(finding["type"]), finding.get("ctx", {}), finding["input"]
    if kind == "literal_error":
        return unknown_value(value, _choices(str(context["expected"])))
    words = _TEXTS.get(kind) or _TEXTS.get(kind.partition("_")[0])
    if words is None:
        message = str(finding["msg"])
        return f"{message[0].lower()}{message[1:]}, not {shown(value)}"
    words = words.format(**{name: _bound(bound) for name, bound in context.items()})
    return words if kind in ("missing", "too_short", "too_long") else f"{words}, not {shown(value)}"


def unknown_value(value: Any, choices: list[str]) -> str:
    """`unknown value 'l3'; did you mean 'l2'?`"""
    return f"unknown value {shown(value)}{nearest(str(value), choices)}"


def _bound(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: Any) -> str:
    """The value for a message: text in quotes, cut to fit a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def whole(name: str, value: Any, least: int | None = None) -> int:
    """`value` if it is a whole number (numpy's too) of at least `least`; else `UserError` names it."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UserError(f"{name}: must be a whole number, not {shown(value)}")
    if least is not None and value < least:
        raise UserError(f"{name}: must be at least {least}, not {value}")
    return operator.index(value)


def _choices(expected: str) -> list[str]:
    """The choices in pydantic's `'crop' or 'stretch'`."""
    return [choice.strip().strip("'") for choice in expected.replace(" or ", ",").split(",")]
