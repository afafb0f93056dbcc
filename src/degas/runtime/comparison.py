"""The test for resuming a run: what changes its result is compared, by content, and nothing else. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degas.errors import UserError

_UNSET: Any = object()
MAX_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Rules:
    """The settings that must be the same for a run to be resumed; keys are dotted, such as `search.width`.

    Attributes:
        ignored: what changes no result, with all that stands below it.
        defaults: what a setting is that one of the two does not have, since it was written before there was one.
        sentences: how to tell a difference, with `{old}` and `{new}`. These keys are compared before the others, in
            this order, so that the plainest of several differences is told.
        contents: a path's key → the key of its content, which has a sentence. The path counts only where one of the
            two does not tell the content.
    """

    ignored: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)


def refuse_difference(path: Path, old: Mapping[str, Any], new: Mapping[str, Any], rules: Rules | None = None) -> None:
    """Raise `UserError` where the settings `old` of the run in `path` and those it is to go on with differ."""
    difference = first_difference(old, new, rules or Rules())
    if difference:
        raise UserError(
            f"{path}: cannot resume: {difference}; resume with the same settings and data, or give another --out"
        )


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any], rules: Rules) -> str:
    """The first difference that counts, as a clause; empty where there is none."""
    for key, sentence in rules.sentences.items():
        before, now = _at(old, key), _at(new, key)
        if _UNSET not in (before, now) and before != now:
            return sentence.format(old=before, new=now)
    told = [path for path, key in rules.contents.items() if _UNSET not in (_at(old, key), _at(new, key))]
    ignored = rules.ignored.union(told, rules.contents.values())
    found = _below(old, new, "", ignored, rules.defaults)
    return f"{found[0]} was {found[1]} and is {found[2]} now" if found else ""


def _below(
    old: Any, new: Any, key: str, ignored: frozenset[str], defaults: Mapping[str, Any]
) -> tuple[str, str, str] | None:
    """Key and both values of the first difference at `key` or below."""
    if key in ignored:
        return None
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{key}.{name}" if key else name
            default = defaults.get(inner, _UNSET)
            if found := _below(old.get(name, default), new.get(name, default), inner, ignored, defaults):
                return found
        return None
    unset = (None, _UNSET)  # null, or of a release that did not have it
    same = (old in unset and new in unset) if old in unset or new in unset else old == new
    return None if same else (key, _shown(old), _shown(new))


def _at(settings: Any, key: str) -> Any:
    for name in key.split("."):
        settings = settings.get(name, _UNSET) if isinstance(settings, Mapping) else _UNSET
    return settings


def _shown(value: Any) -> str:
    """`value` as JSON; of a long one both ends, for paths differ at the second."""
    text = "unset" if value is _UNSET else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2 - 1]}…{text[-MAX_SHOWN // 2 :]}"
