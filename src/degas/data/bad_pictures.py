"""Pictures that cannot be used, each named, and many in one message."""

from __future__ import annotations

from collections.abc import Sequence

from degas.errors import UserError

NAMED = 20  # in one message; the count is always complete


class BadPictureError(UserError):
    """One picture that cannot be used: its `name`, the `problem`, the `remedy`."""

    def __init__(self, name: str, problem: str, remedy: str = "repair or remove it") -> None:
        super().__init__(f"{name}: {problem}; {remedy}")
        self.name, self.problem, self.remedy = name, problem, remedy


def in_one_message(bad: Sequence[BadPictureError], num_pictures: int) -> UserError:
    """Return one error for all of `bad` (at least one) among `num_pictures`, so that one run shows all bad files.

    Pictures with the same problem are named together.
    """
    if len(bad) == 1:
        return bad[0]
    groups: dict[tuple[str, str], list[str]] = {}
    for picture in bad[:NAMED]:
        groups.setdefault((picture.problem, picture.remedy), []).append(picture.name)
    parts = [f"{', '.join(names)}: {problem}; {remedy}" for (problem, remedy), names in groups.items()]
    more = f" | and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    return UserError(f"{len(bad):,} of {num_pictures:,} pictures cannot be used: {' | '.join(parts)}{more}")
