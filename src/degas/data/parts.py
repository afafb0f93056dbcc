"""Folders that are parts of a data set, such as train and test, and the choice of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from degas.data.notes import Note
from degas.data.tree import File
from degas.errors import UserError, nearest
from degas.runtime.names import same_name

_TRAIN = ("train", "training")
PARTS = (
    *_TRAIN, "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation",
    "pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "holdout",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Files of the chosen part; `domains`: the class of each, if folders such as trainA and trainB name classes."""

    files: list[File]
    domains: list[str] | None = None
    notes: tuple[Note, ...] = ()


def choose_part(where: str, files: list[File], split: str | None) -> Chosen:
    """The files of part `split` (default: train) if the folder has parts, else all files."""
    depth = _common_depth(files)
    tops = _by_top(files, depth)
    parts = _parts_of(list(tops)) if not any(len(file.parts) == depth + 1 for file in files) else {}
    if not parts:
        if split is not None:
            raise UserError(f"--data.split: {where} has no parts such as train and test; leave it out")
        return Chosen(files, notes=_lone_part(list(tops)))
    wanted = _wanted(where, tops, parts, split)
    files = [file for top in wanted for file in tops[top]]
    domains = [parts[top][1] for top in wanted for _ in tops[top]] if len(wanted) > 1 else None
    rest = {top: len(inside) for top, inside in tops.items() if top not in wanted}
    return Chosen(files, domains, _part_notes(wanted, rest, domains) if split is None else ())


def shared_folders(files: Sequence[File]) -> tuple[str, ...]:
    """The folders that contain all files."""
    folders = [file.folders for file in files]
    low, high = min(folders), max(folders)  # a prefix of these two is a prefix of all
    return low[: next((k for k, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))]


def _common_depth(files: Sequence[File]) -> int:
    """Return the number of leading folders that all files share, without any that is a part of a data set."""
    common = shared_folders(files)
    return next((depth for depth, folder in enumerate(common) if folder.lower() in PARTS), len(common))


def _by_top(files: Iterable[File], depth: int) -> dict[str, list[File]]:
    tops: dict[str, list[File]] = {}
    for file in files:
        if len(file.parts) > depth + 1:
            tops.setdefault(file.parts[depth], []).append(file)
    return tops


def _parts_of(tops: list[str]) -> dict[str, tuple[str, str]]:
    """Folder → (part, rest of its name), if the folders are parts; empty if they are classes.

    They are parts if all have names of parts, if train and another part are among them, or if each name contains a part
    and all parts have the same rests: seg_train and seg_test, train2017 and val2017, trainA, trainB, testA, testB.
    """
    named = {top: (top.lower(), "") for top in tops if top.lower() in PARTS}
    if named and (len(named) == len(tops) or (len(named) > 1 and any(part in _TRAIN for part, _ in named.values()))):
        return named
    read = {top: found for top in tops if (found := _read(top))}
    by_part: dict[str, set[str]] = {}
    for part, rest in read.values():
        by_part.setdefault(part, set()).add(rest)
    rests = set().union(*by_part.values())
    train = next((by_part[part] for part in _TRAIN if part in by_part), set())
    several = len(by_part) > 1 and train == rests
    return read if read and len(read) == len(tops) and (several or (bool(train) and rests == {"A", "B"})) else {}


def _read(top: str) -> tuple[str, str] | None:
    """(part, the other words) of a name such as seg_train or trainA; None if it does not name one part."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", top) if top.isascii() else []
    parts = [word for word in words if word.lower() in PARTS]
    return (parts[0].lower(), "_".join(word for word in words if word != parts[0])) if len(parts) == 1 else None


def _wanted(where: str, tops: dict[str, list[File]], parts: dict[str, tuple[str, str]], split: str | None) -> list[str]:
    """Return the folders of the chosen part."""
    if split is not None:
        exact = same_name(split, tops)
        found = [exact] if exact else [top for top, (part, _) in parts.items() if part == split.lower()]
        if not found:
            names = {*tops, *(part for part, _ in parts.values())}
            raise UserError(f"--data.split: {where} has no part '{split}'{nearest(split, names)}")
        return found
    found = [top for top, (part, _) in parts.items() if part in _TRAIN]
    if not found and len(tops) > 1:
        raise UserError(f"{where}: choose a part with --data.split: {', '.join(sorted(tops))}")
    return found or list(tops)


def _part_notes(wanted: list[str], rest: dict[str, int], domains: list[str] | None) -> tuple[Note, ...]:
    notes: list[Note] = []
    if rest:
        others = ", ".join(f"{top} ({count:,})" for top, count in rest.items())
        text = f"{' and '.join(wanted)} is used and {others} left out; choose with --data.split"
        notes.append(Note("part", text, sum(rest.values())))
    if domains:
        classes = " and ".join(dict.fromkeys(domains))
        notes.append(Note("part", f"{' and '.join(wanted)} give the classes {classes}; --data.split selects only one"))
    return tuple(notes)


def _lone_part(tops: list[str]) -> tuple[Note, ...]:
    """A note on a class folder with the name of a part: it may be a class (cars, trains) or a part."""
    called = [top for top in tops if top.lower() in PARTS]
    if not called or len(tops) < 2:
        return ()
    return (Note("class", f"{', '.join(called)} counts as a class, like the folders next to it"),)
