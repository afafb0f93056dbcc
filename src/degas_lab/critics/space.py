"""The space of critics that a search chooses from: the places of a critic and their candidates. No torch."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from degas.errors import UserError, nearest
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticKind, CriticLayout, CriticStage
from degas.space.find_critic import shipped_critic

DOWN_OPERATIONS = tuple(name for name, kind in CRITIC_OPERATION_KINDS.items() if kind == "down")
NORMAL_OPERATIONS = tuple(name for name, kind in CRITIC_OPERATION_KINDS.items() if kind == "normal")


@dataclass(frozen=True)
class CriticSlot:
    """A place for one operation: `S1 down`, `S1 normal 1`."""

    name: str
    kind: CriticKind
    stage: int  # from 0


@dataclass(frozen=True)
class CriticSpace:
    """Stages with one down operation each, and the same number of normal operations after it."""

    num_stages: int
    num_normal: int = 1
    down: tuple[str, ...] = DOWN_OPERATIONS
    normal: tuple[str, ...] = NORMAL_OPERATIONS

    def __post_init__(self) -> None:
        check_candidates("down", self.down)
        check_candidates("normal", self.normal)

    @cached_property
    def slots(self) -> tuple[CriticSlot, ...]:
        """Every place, from image to last map."""
        found = []
        for stage in range(self.num_stages):
            found.append(CriticSlot(f"S{stage + 1} down", "down", stage))
            found += [CriticSlot(f"S{stage + 1} normal {k + 1}", "normal", stage) for k in range(self.num_normal)]
        return tuple(found)

    def operations(self, slot: CriticSlot) -> tuple[str, ...]:
        """The candidates of a place, in table order."""
        return self.down if slot.kind == "down" else self.normal

    def count(self) -> int:
        """Number of ways to choose one candidate for every place."""
        return math.prod(len(self.operations(slot)) for slot in self.slots)

    def layout(self, choices: Mapping[str, str], provenance: Mapping[str, Any] | None = None) -> CriticLayout:
        """The critic with these operations by slot name; a skip is left out."""
        stages = []
        for stage in range(self.num_stages):
            down, *normal = [choices[slot.name] for slot in self.slots if slot.stage == stage]
            stages.append(CriticStage(down, tuple(name for name in normal if name != "skip")))
        return CriticLayout(tuple(stages), dict(provenance or {}))

    def draw(self, seed: int) -> dict[str, str]:
        """Choices drawn uniformly."""
        rng = random.Random(f"degas random critic {seed}")
        return {slot.name: rng.choice(self.operations(slot)) for slot in self.slots}


def stages_for(image_size: int) -> int:
    """The number of stages of the default critic at this image size."""
    return len(shipped_critic("resnet").at_size(image_size))


def check_candidates(kind: CriticKind, names: tuple[str, ...]) -> None:
    """Raise `UserError` unless `names` are different operations of this kind."""
    option = f"--{kind}-operations"
    valid = [name for name, its_kind in CRITIC_OPERATION_KINDS.items() if its_kind == kind]
    for name in names:
        if name not in valid:
            raise UserError(f"{option}: unknown {kind} operation {name!r}{nearest(name, valid)}")
    if len(set(names)) < len(names):
        raise UserError(f"{option}: an operation is listed twice")
