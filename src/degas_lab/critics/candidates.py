"""The candidates of a contest of critics: the given ones, the default, and uniform draws. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from degas.errors import UserError
from degas.space.critic import CriticLayout
from degas.space.find_critic import load_critic, shipped_critic
from degas_lab.critics.space import CriticSpace, stages_for

REFERENCE = "resnet"  # the default critic, whose steps set the time of all
MOST_DRAWS = 100  # tries a wanted draw, in a space with few critics
NEXT_SEED = 1_000_003  # first draws of two contests are so far apart for each step between their seeds


@dataclass(frozen=True)
class CriticCandidate:
    """A critic under its name in files; `proposed_by`: given, default or draw."""

    name: str
    layout: CriticLayout
    proposed_by: str

    def to_dict(self) -> dict[str, Any]:
        """The candidate as JSON values, for candidates.json and the protocol."""
        stages = [stage.to_dict() for stage in self.layout.stages]
        return {"name": self.name, "proposed_by": self.proposed_by, "digest": self.layout.digest, "stages": stages}


def candidates(
    given: Sequence[str], image_size: int, *, number: int, num_normal: int, seed: int
) -> list[CriticCandidate]:
    """`number` different critics: those of the files `given`, the default one, and draws from the space.

    Raises `UserError` for a bad file, one that does not suit the image size, or more files than places.
    """
    found = [CriticCandidate(REFERENCE, shipped_critic(REFERENCE), "default")]
    for place, name in enumerate(given, start=1):
        layout = load_critic(name, "--critics")
        layout.check_size(image_size, f"--critics {name}")
        _add(found, CriticCandidate(f"given-{place}", layout, "given"), image_size)
    if len(found) > number:
        raise UserError(f"--critics: {len(given)} files and resnet are more than --num-candidates {number}; raise it")
    space = CriticSpace(stages_for(image_size), num_normal)
    for draw in range(MOST_DRAWS * number):
        if len(found) < number:
            layout = space.layout(space.draw(NEXT_SEED * seed + draw))
            _add(found, CriticCandidate(f"drawn-{draw}", layout, "draw"), image_size)
    return found


def _add(found: list[CriticCandidate], one: CriticCandidate, image_size: int) -> None:
    """Add a candidate unless the same critic is there already."""
    if all(other.layout.at_size(image_size) != one.layout.at_size(image_size) for other in found):
        found.append(one)
