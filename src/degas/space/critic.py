"""The layout of a critic: its stages, with operations by name, and its file. Standard library only.

    {"format": "degas-critic", "version": 1,
     "stages": [{"down": "mean_pool"},
                {"down": "mean_pool", "repeat": true},
                {"down": "mean_pool", "normal": ["residual", "residual"]}]}

Each stage halves the map by its down operation; its normal operations follow at that size. Width, dropout, spectral
norm and the form of the scores are settings of the training, not of the layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from degas.errors import UserError, nearest
from degas.runtime.paths import expanded
from degas.space.graph import short
from degas.space.json_file import (
    FileKind,
    check_head,
    check_keys,
    file_text,
    provenance_of,
    read_json_file,
    save_json_file,
)

CriticKind = Literal["down", "normal"]
# The operation names of critic files, and the kind of each. `nets/critic_operations.py` implements them;
# `register_critic_operation` there adds to both tables.
CRITIC_OPERATION_KINDS: dict[str, CriticKind] = {
    "mean_pool": "down",
    "strided_conv_4x4": "down",
    "blur_pool": "down",
    "space_to_depth": "down",
    "max_pool": "down",
    "conv_1x1": "normal",
    "conv_3x3": "normal",
    "sep_conv_3x3": "normal",
    "residual": "normal",
    "skip": "normal",
}
FILE = FileKind("critic file", "critic.json", "degas-critic", 1)
WHERE = "critic"  # the name in messages of a layout without a file
LARGEST_LAST_MAP = 16  # pixels; the spatial mean of larger maps says little; our choice
MAX_STAGES, MAX_NORMAL = 10, 8  # bounds of a file, so that a hostile one builds no network that exhausts a machine


@dataclass(frozen=True)
class CriticStage:
    """A down operation, which halves the map (odd sizes rounded up), and normal operations at the smaller size.

    A stage that repeats is built as often as the image size needs, also not at all.
    """

    down: str
    normal: tuple[str, ...] = ()
    repeat: bool = False

    def to_dict(self) -> dict[str, Any]:
        tail = {"repeat": True} if self.repeat else {}
        return {"down": self.down, "normal": list(self.normal), **tail}


@dataclass(frozen=True)
class CriticLayout:
    """The stages of a critic, from image to last map. `provenance` gives its origin, as JSON values.

    Raises `UserError` for an unknown operation, one of the wrong kind, or stages out of bounds.
    """

    stages: tuple[CriticStage, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _validate(self, WHERE)

    @property
    def digest(self) -> str:
        """SHA-256 (first 16 hex digits) of the stages; the provenance does not count."""
        text = json.dumps([stage.to_dict() for stage in self.stages], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def at_size(self, image_size: int) -> tuple[CriticStage, ...]:
        """The stages of a critic for images of this size: a repeated stage as often as the last map needs.

        That is the smallest number for which the last map has at most `LARGEST_LAST_MAP` pixels a side.
        """
        fixed = sum(not stage.repeat for stage in self.stages)
        times = max(0, _halvings(image_size) - fixed)
        found: list[CriticStage] = []
        for stage in self.stages:
            found += [replace(stage, repeat=False)] * (times if stage.repeat else 1)
        return tuple(found)

    def check_size(self, image_size: int, where: str = WHERE) -> None:
        """Raise `UserError` if the number of stages does not suit images of this size."""
        number, needed = len(self.at_size(image_size)), _halvings(image_size)
        most = max(1, (image_size - 1).bit_length())  # halvings until one pixel is left
        stages = "1 stage is" if number == 1 else f"{number} stages are"
        if number < needed:
            last = -(-image_size // 2**number)
            raise UserError(
                f"{where}: {stages} too few for {image_size} px: the last map has {last} px and may have "
                f'{LARGEST_LAST_MAP}; add {needed - number}, or give a stage "repeat": true'
            )
        if number > most:
            raise UserError(
                f"{where}: {stages} too many for {image_size} px: {most} leave one pixel; remove {number - most}"
            )

    def to_dict(self) -> dict[str, Any]:
        head = {"format": FILE.format, "version": FILE.version}
        return {**head, "stages": [stage.to_dict() for stage in self.stages], "provenance": dict(self.provenance)}

    def to_json(self) -> str:
        return file_text(self.to_dict())

    def save(self, path: str | Path) -> None:
        """Write the file completely or not at all."""
        save_json_file(path, self.to_json())

    @classmethod
    def from_dict(cls, data: Any, where: str = WHERE) -> CriticLayout:
        """Build from the JSON object of a critic file; `where` names it in messages."""
        check_head(data, where, FILE, ("stages",))
        stages = data.get("stages")
        if not isinstance(stages, list):
            raise UserError(f"{where}: 'stages' must be a list of objects with 'down' and 'normal'")
        found = tuple(_stage(each, f"{where}: stage {k}") for k, each in enumerate(stages, start=1))
        try:
            return cls(found, provenance_of(data, where))
        except UserError as error:
            raise UserError(str(error).replace(WHERE, where, 1)) from None

    @classmethod
    def load(cls, path: str | Path) -> CriticLayout:
        """Read and validate a critic file; raises `UserError` with one line that names the fault."""
        return cls.from_dict(read_json_file(path, FILE), str(expanded(path)))


def _halvings(image_size: int) -> int:
    """The smallest number of halvings after which the map has at most `LARGEST_LAST_MAP` pixels a side."""
    return max(0, (-(-image_size // LARGEST_LAST_MAP) - 1).bit_length())


def _stage(data: Any, where: str) -> CriticStage:
    if not isinstance(data, dict):
        raise UserError(f'{where} must be an object such as {{"down": "mean_pool", "normal": ["conv_3x3"]}}')
    check_keys(data, where, ("down", "normal", "repeat"))
    if "down" not in data:
        raise UserError(f"{where}: 'down' is missing")
    normal, repeat = data.get("normal", []), data.get("repeat", False)
    if not isinstance(normal, list):
        raise UserError(f"{where}: 'normal' must be a list of operations, not {short(normal)}")
    if not isinstance(repeat, bool):
        raise UserError(f"{where}: 'repeat' must be true or false, not {short(repeat)}")
    return CriticStage(data["down"], tuple(normal), repeat)


def _validate(layout: CriticLayout, where: str) -> None:
    if not 1 <= len(layout.stages) <= MAX_STAGES:
        raise UserError(f"{where}: must have 1 to {MAX_STAGES} stages, not {len(layout.stages)}")
    if sum(stage.repeat for stage in layout.stages) > 1 or all(stage.repeat for stage in layout.stages):
        raise UserError(f"{where}: one stage may repeat, beside at least one that does not")
    for number, stage in enumerate(layout.stages, start=1):
        place = f"{where}: stage {number}"
        if len(stage.normal) > MAX_NORMAL:
            raise UserError(f"{place}: has {len(stage.normal)} normal operations; at most {MAX_NORMAL} are allowed")
        _check_operation(place, "down", stage.down)
        for name in stage.normal:
            _check_operation(place, "normal", name)


def _check_operation(place: str, kind: CriticKind, name: Any) -> None:
    if not isinstance(name, str):
        raise UserError(f"{place}: an operation must be a name, not {short(name)}")
    found = CRITIC_OPERATION_KINDS.get(name)
    if found is None:
        valid = [each for each, its_kind in CRITIC_OPERATION_KINDS.items() if its_kind == kind]
        raise UserError(f"{place}: unknown {kind} operation {short(name)}{nearest(name, valid)}")
    if found != kind:
        raise UserError(f"{place}: '{kind}' takes a {kind} operation, but {name} is a {found} one; give another")
