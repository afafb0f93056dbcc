"""The test for resuming a run: settings that change its result must be equal, images by content. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degas.errors import UserError

_UNSET: Any = object()
MAX_SHOWN = 60  # characters of a value in a message
MAX_NAMED = 3  # differences


@dataclass(frozen=True)
class Rules:
    """The settings that must be the same for a run to be resumed; keys are dotted, such as `search.width`.

    Attributes:
        ignored: keys that change no result, with everything below them.
        defaults: the value of a setting that one side lacks because it was written before the setting existed.
        sentences: the message for a difference, with `{old}` and `{new}`. These keys are compared first, in this
            order, so that the message names the plainest of several differences.
        contents: a path's key → the key of its content, which has a sentence. The path counts only if one side does
            not record the content.
    """

    ignored: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)


def reject_difference(path: Path, old: Mapping[str, Any], new: Mapping[str, Any], rules: Rules | None = None) -> None:
    """Raise `UserError` if the settings `old` of the run in `path` differ from those that it would resume with."""
    difference = differences(old, new, rules or Rules())
    if difference:
        raise UserError(
            f"{path}: cannot resume: {difference}; resume with the same settings and data, or give another --out"
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any], rules: Rules) -> str:
    """The differences that count, as clauses, the first ones if they are many; empty if there are none.

    One that has a sentence stands alone, since others may follow from it.
    """
    for key, sentence in rules.sentences.items():
        before, now = _at(old, key), _at(new, key)
        if _UNSET not in (before, now) and before != now:
            return sentence.format(old=before, new=now)
    told = [path for path, key in rules.contents.items() if _UNSET not in (_at(old, key), _at(new, key))]
    ignored = rules.ignored.union(told, rules.contents.values())
    found = list(_below(old, new, "", ignored, rules.defaults))
    more = [f"and {len(found) - MAX_NAMED} more"] if len(found) > MAX_NAMED else []
    return ", ".join([*found[:MAX_NAMED], *more])


def _below(old: Any, new: Any, key: str, ignored: frozenset[str], defaults: Mapping[str, Any]) -> Iterator[str]:
    """The differences at `key` and below, each with both values."""
    if key in ignored:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{key}.{name}" if key else name
            default = defaults.get(inner, _UNSET)
            yield from _below(old.get(name, default), new.get(name, default), inner, ignored, defaults)
        return
    unset = (None, _UNSET)  # null, or absent: written by a release without this setting
    same = (old in unset and new in unset) if old in unset or new in unset else old == new
    if not same:
        yield f"{key} was {_shown(old)} and is {_shown(new)} now"


def _at(settings: Any, key: str) -> Any:
    for name in key.split("."):
        settings = settings.get(name, _UNSET) if isinstance(settings, Mapping) else _UNSET
    return settings


def _shown(value: Any) -> str:
    """`value` as JSON; both ends of a long one, since paths differ at the end."""
    text = "unset" if value is _UNSET else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2 - 1]}…{text[-MAX_SHOWN // 2 :]}"
