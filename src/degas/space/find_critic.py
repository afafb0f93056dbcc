"""The critic that a user names by a file, a run folder, or the name of one shipped with the package. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from degas.errors import UserError, nearest
from degas.runtime.paths import expanded
from degas.space.critic import CriticLayout

FOLDER = Path(__file__).parent / "critics"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # no dots and slashes: a name never leaves the folder


def shipped_critics() -> tuple[str, ...]:
    """The names of the shipped critic files, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def shipped_critic(name: str) -> CriticLayout:
    """The shipped layout of that name."""
    if not NAME.fullmatch(name) or name not in shipped_critics():
        raise UserError(f"no critic {name!r} comes with degas{nearest(name, shipped_critics())}")
    return CriticLayout.load(FOLDER / f"{name}.json")


def load_critic(name: str, where: str, also: Iterable[str] = ()) -> CriticLayout:
    """The layout that a user names; for an unknown name a `UserError` that begins with `where` and lists `also`.

    A folder is that of a search for critics: the file is `critic/critic.json` or `critic.json` in it.
    """
    path = expanded(name)
    if path.is_dir():
        inside = [path / "critic" / "critic.json", path / "critic.json"]
        found = next((each for each in inside if each.is_file()), None)
        if found is None:
            raise UserError(f"{where}: {path} holds no critic.json; give the file, or the folder of a critic search")
        return CriticLayout.load(found)
    if path.exists() or "/" in name or name.endswith(".json"):
        return CriticLayout.load(path)
    if name in shipped_critics():
        return shipped_critic(name)
    known = ", ".join(sorted({*also, *shipped_critics()}))
    raise UserError(
        f"{where}: unknown critic {name!r}; known are {known}; give a critic.json, or import your own with "
        "--import MODULE"
    )
