"""Notes on assumptions about a data source and on what was left out: one list for `data info` and every stage."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from degas.errors import Notice
from degas.runtime.environment import is_rank_0

_LISTED = 20  # examples kept; the count is always complete
_SHOWN = 3  # examples in a line


@dataclass(frozen=True)
class Note:
    """One assumption or omission; nothing is wrong, but the user may want to know.

    `kind`: a stable word for `data info --json`; `text`: a sentence without its full stop; `count`: the number of
    cases; `examples`: the names of the first few.
    """

    kind: str
    text: str
    count: int = 1
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples[:_SHOWN]) else ""
        return self.text + (f": {', '.join(self.examples[:_SHOWN])}{more}" if self.examples else "")

    def facts(self) -> dict[str, Any]:
        """The note as JSON values; `from_facts` reads it back."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Note:
        return cls(str(facts["kind"]), str(facts["text"]), int(facts["count"]), tuple(map(str, facts["examples"])))


def counted(kind: str, examples: Sequence[str], one: str, many: str) -> tuple[Note, ...]:
    """Return a note about `examples`, or () without any; `one` or `many` follows their number."""
    if not examples:
        return ()
    text = f"{len(examples):,} {one if len(examples) == 1 else many}"
    return (Note(kind, text, len(examples), tuple(examples[:_LISTED])),)


def tell(source: str, notes: Iterable[Note]) -> None:
    """Show each note as a line, once for all processes."""
    for note in notes if is_rank_0() else ():
        warnings.warn(f"{source}: {note}", Notice, stacklevel=3)
