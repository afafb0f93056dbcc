"""The search space as a graph, and the architecture that a search finds in it. Standard library only.

Feature maps (nodes) are `U0 … US` (up-sampled) and `N1 … NS` (normal; `N1.1, N1.2 …` when more than one stands
between two up-sampled maps). A *slot* is a possible edge between two nodes; an `Edge` is a slot with an operation.
Paper section 3.2 and Figure 2.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from degas.errors import UserError, nearest

FORMAT = "degas-architecture"
VERSION = 1
ZERO = "zero"  # the absence of a residual edge: a candidate in the search, never an operation of an architecture

Kind = Literal["normal", "up"]

# The names that an architecture file may use, and the kind of edge each belongs to. `nets/operations.py` says what
# they compute; `register_operation` there adds to both tables.
OPERATION_KINDS: dict[str, Kind] = {
    "conv_1x1": "normal",
    "conv_3x3": "normal",
    "max_pool_3x3": "normal",
    "avg_pool_3x3": "normal",
    "skip": "normal",
    "sep_conv_3x3": "normal",
    "sep_conv_5x5": "normal",
    "dil_conv_3x3": "normal",
    "dil_conv_5x5": "normal",
    "deconv_4x4": "up",
    "deconv_6x6": "up",
    "nearest_conv_1x1": "up",
    "nearest_conv_3x3": "up",
}
NORMAL_OPERATIONS = tuple(name for name, kind in OPERATION_KINDS.items() if kind == "normal")
UP_OPERATIONS = tuple(name for name, kind in OPERATION_KINDS.items() if kind == "up")

# Inclusive bounds of everything an architecture file may ask for, so that a hostile file is refused before any
# memory is taken (our choice: generous for image generators, small enough that a build cannot exhaust a machine).
LIMITS = {
    "num_stages": (1, 8),
    "num_normal": (0, 8),
    "base_size": (1, 64),
    "width": (1, 2048),
    "noise_size": (1, 8192),
    "channels": (1, 4),
}
MAX_IMAGE_SIZE = 1024
MAX_FILE_BYTES = 1 << 20
WHERE = "architecture"  # how messages name an architecture that came from no file


@dataclass(frozen=True)
class Slot:
    """A possible edge of the graph.

    `factor` is the up-sampling factor (1 for a normal edge); `stage` is the number of ×2 stages below the source, so
    the source is base_size·2^stage pixels wide. `direct` is True for the edge from the node immediately before.
    """

    source: str
    target: str
    kind: Kind
    direct: bool
    factor: int
    stage: int

    @property
    def name(self) -> str:
        return f"{self.source}->{self.target}"


@dataclass(frozen=True)
class SearchSpace:
    """S up-sampling stages with n normal maps each, and the operations an edge may choose from."""

    num_stages: int = 3
    num_normal: int = 1
    normal_operations: tuple[str, ...] = NORMAL_OPERATIONS
    up_operations: tuple[str, ...] = UP_OPERATIONS

    def __post_init__(self) -> None:
        for name in ("num_stages", "num_normal"):
            _check_limit("search space", name, getattr(self, name))
        _check_operations("normal", self.normal_operations)
        _check_operations("up", self.up_operations)

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Node names in the order in which they are computed."""
        names = ["U0"]
        for stage in range(1, self.num_stages + 1):
            names += [self._normal(stage, k) for k in range(1, self.num_normal + 1)] + [f"U{stage}"]
        return tuple(names)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every possible edge, in the order that also breaks ties: by target node, direct first, then by source."""
        slots: list[Slot] = []
        for stage in range(1, self.num_stages + 1):
            chain = [f"U{stage - 1}"]
            for k in range(1, self.num_normal + 1):
                target = self._normal(stage, k)
                slots.append(Slot(chain[-1], target, "normal", True, 1, stage - 1))
                slots += [Slot(source, target, "normal", False, 1, stage - 1) for source in chain[:-1]]
                chain.append(target)
            slots.append(Slot(chain[-1], f"U{stage}", "up", True, 2, stage - 1))
            # Residual edges come from the two up-sampled maps before this one; with n = 0 the nearer one is direct.
            sources = [s for s in (stage - 2, stage - 1) if s >= 0 and f"U{s}" != chain[-1]]
            slots += [Slot(f"U{s}", f"U{stage}", "up", False, 2 ** (stage - s), s) for s in sources]
        return tuple(slots)

    def incoming(self, node: str) -> tuple[Slot, ...]:
        """The possible edges into `node`, direct first."""
        return tuple(slot for slot in self.slots if slot.target == node)

    def operations(self, slot: Slot) -> tuple[str, ...]:
        """The candidates of an edge, in table order; `zero` comes last, on residual edges only."""
        names = self.normal_operations if slot.kind == "normal" else self.up_operations
        return names if slot.direct else (*names, ZERO)

    def count_continuous(self) -> int:
        """Ways to choose one candidate on every edge: 145,800,000 for the paper's space, as the paper prints."""
        return math.prod(len(self.operations(slot)) for slot in self.slots)

    def count_discrete(self) -> int:
        """Architectures that pruning can return: 18,895,680 for the paper's space (the paper prints 8,890,560).

        A node keeps either one direct operation, or one residual operation and one direct operation.
        """
        total = 1
        for node in self.nodes[1:]:
            direct, *residual = self.incoming(node)
            residual_choices = sum(len(self.operations(slot)) - 1 for slot in residual)
            total *= len(self.operations(direct)) * (1 + residual_choices)
        return total

    def draw(self, seed: int) -> tuple[Edge, ...]:
        """The edges of an architecture drawn uniformly from the discrete space."""
        rng = random.Random(f"degas random architecture {seed}")
        edges: list[Edge] = []
        for node in self.nodes[1:]:
            direct, *residual = self.incoming(node)
            edges.append(Edge(direct.source, node, rng.choice(self.operations(direct))))
            choices = [(s, name) for s in residual for name in self.operations(s) if name != ZERO]
            pick = rng.randrange(1 + len(choices))
            if pick:
                slot, name = choices[pick - 1]
                edges.append(Edge(slot.source, node, name))
        return tuple(edges)

    def _normal(self, stage: int, k: int) -> str:
        return f"N{stage}" if self.num_normal == 1 else f"N{stage}.{k}"


@dataclass(frozen=True)
class Edge:
    """A kept edge: the operation that carries `source` to `target`."""

    source: str
    target: str
    operation: str


@dataclass(frozen=True)
class Architecture:
    """A generator's architecture: the discrete result of a search (DARTS calls it genotype).

    Sizes: `base_size` pixels of the first map, `width` channels of every map, `noise_size` entries of the noise,
    `channels` of the image. `provenance` says where it came from, as JSON values, and holds no time and no path.
    Raises `UserError` when the edges do not fit the graph.
    """

    num_stages: int
    num_normal: int
    base_size: int
    width: int
    noise_size: int
    channels: int
    edges: tuple[Edge, ...]
    separable_order: Literal["preact", "darts"] = "preact"
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _validate(self, WHERE)

    @property
    def image_size(self) -> int:
        """Pixels along each side of the generated image."""
        return self.base_size * 2**self.num_stages

    @property
    def graph(self) -> SearchSpace:
        return SearchSpace(self.num_stages, self.num_normal)

    def slot(self, edge: Edge) -> Slot:
        """The slot of the graph that `edge` fills."""
        return next(s for s in self.graph.slots if (s.source, s.target) == (edge.source, edge.target))

    def incoming(self, node: str) -> tuple[Edge, ...]:
        return tuple(edge for edge in self.edges if edge.target == node)

    def resized(
        self,
        *,
        width: int | None = None,
        base_size: int | None = None,
        noise_size: int | None = None,
        channels: int | None = None,
    ) -> Architecture:
        """The same operations at other sizes; the paper moves CIFAR-10's to 48 px by base size 4 → 6."""
        given = {"width": width, "base_size": base_size, "noise_size": noise_size, "channels": channels}
        return replace(self, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]

    def for_image_size(self, image_size: int) -> Architecture:
        """The same operations at another image size: base size and noise size scaled by the ratio (paper §4.1)."""
        if image_size == self.image_size:
            return self
        if image_size % 2**self.num_stages:
            raise UserError(
                f"architecture: {self.num_stages} stages cannot make {image_size} px; "
                f"use a multiple of {2**self.num_stages}"
            )
        noise_size = round(self.noise_size * image_size / self.image_size)
        return self.resized(base_size=image_size // 2**self.num_stages, noise_size=noise_size)

    def to_dict(self) -> dict[str, Any]:
        nodes: dict[str, list[dict[str, str]]] = {}
        for edge in self.edges:
            nodes.setdefault(edge.target, []).append({"from": edge.source, "operation": edge.operation})
        sizes = {name: getattr(self, name) for name in LIMITS}
        head = {"format": FORMAT, "version": VERSION, **sizes, "separable_order": self.separable_order}
        return {**head, "nodes": nodes, "provenance": dict(self.provenance)}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.part")  # a fixed name: what a killed process left is written over
        try:
            scratch.write_text(self.to_json(), encoding="utf-8")
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)

    @classmethod
    def from_dict(cls, data: Any, where: str = WHERE) -> Architecture:
        """Build from the JSON object of an architecture file; `where` names it in messages."""
        _check_object(data, where)
        sizes = {name: _integer(data, name, where) for name in LIMITS}
        for name, value in sizes.items():
            _check_limit(where, name, value)
        provenance = data.get("provenance", {})
        if not isinstance(provenance, dict):
            raise UserError(f"{where}: 'provenance' must be an object")
        try:  # what is read can be written again: no infinite numbers, no halves of characters
            json.dumps(provenance, ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            raise UserError(f"{where}: 'provenance' holds a number or a text that JSON does not have") from None
        order = data.get("separable_order", "preact")
        try:
            return cls(**sizes, edges=_edges(data, where), separable_order=order, provenance=provenance)
        except UserError as error:
            raise UserError(str(error).replace(WHERE, where, 1)) from None

    @classmethod
    def load(cls, path: str | Path) -> Architecture:
        """Read and validate an architecture file; raises `UserError` with one line that names what is wrong."""
        path = Path(path)
        try:
            with path.open("rb") as handle:
                content = handle.read(MAX_FILE_BYTES + 1)  # a size in the file system may be wrong, or a device's
            if len(content) > MAX_FILE_BYTES:
                raise UserError(f"{path}: too large for an architecture file (over {MAX_FILE_BYTES} bytes)")
            data = json.loads(content.decode("utf-8"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}; give an architecture.json") from None
        except RecursionError:
            raise UserError(f"{path}: not an architecture file: nested too deeply") from None
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON: {_one_line(error)}") from None
        return cls.from_dict(data, str(path))


def _validate(architecture: Architecture, where: str) -> None:
    for name in LIMITS:
        _check_limit(where, name, getattr(architecture, name))
    if architecture.base_size * 2**architecture.num_stages > MAX_IMAGE_SIZE:
        raise UserError(f"{where}: base_size·2^num_stages is over {MAX_IMAGE_SIZE} px; lower one of them")
    if architecture.separable_order not in ("preact", "darts"):
        raise UserError(
            f"{where}: separable_order must be 'preact' or 'darts', not {_short(architecture.separable_order)}"
        )
    graph = SearchSpace(architecture.num_stages, architecture.num_normal)
    known = {(slot.source, slot.target): slot for slot in graph.slots}
    seen: set[tuple[str, str]] = set()
    for edge in architecture.edges:
        slot = known.get((edge.source, edge.target))
        if slot is None:
            raise UserError(f"{where}: the graph has no edge {_short(edge.source)} -> {_short(edge.target)}")
        if (edge.source, edge.target) in seen:
            raise UserError(f"{where}: edge {slot.name} is given twice")
        seen.add((edge.source, edge.target))
        _check_operation(where, slot, edge.operation)
    for slot in graph.slots:
        if slot.direct and (slot.source, slot.target) not in seen:
            raise UserError(f"{where}: node {slot.target} lacks its direct edge from {slot.source}")
    order = [(slot.source, slot.target) for slot in graph.slots]
    ordered = sorted(architecture.edges, key=lambda edge: order.index((edge.source, edge.target)))
    object.__setattr__(architecture, "edges", tuple(ordered))


def _check_operation(where: str, slot: Slot, operation: str) -> None:
    valid = [name for name, kind in OPERATION_KINDS.items() if kind == slot.kind]
    if operation not in valid:
        raise UserError(
            f"{where}: unknown {slot.kind} operation {_short(operation)} on edge {slot.name}{nearest(operation, valid)}"
        )


def _check_operations(kind: Kind, names: tuple[str, ...]) -> None:
    if not names:
        raise UserError(f"search space: at least one {kind} operation is needed")
    if len(set(names)) != len(names):
        raise UserError(f"search space: one of the {kind} operations is listed twice in {', '.join(names)}")
    valid = [name for name, its_kind in OPERATION_KINDS.items() if its_kind == kind]
    for name in names:
        if name not in valid:
            raise UserError(f"search space: unknown {kind} operation {name!r}{nearest(name, valid)}")


def _check_limit(where: str, name: str, value: Any) -> None:
    low, high = LIMITS[name]
    if type(value) is not int or not low <= value <= high:
        raise UserError(f"{where}: {name} must be a whole number from {low} to {high}, not {_short(value)}")


def _check_object(data: Any, where: str) -> None:
    if not isinstance(data, dict):
        raise UserError(f"{where}: must be a JSON object")
    if data.get("format") != FORMAT:
        raise UserError(f"{where}: not an architecture file ('format' must be {FORMAT!r})")
    if type(data.get("version")) is not int or data["version"] != VERSION:
        raise UserError(
            f"{where}: architecture file version {_short(data.get('version'))} is not {VERSION}; update degas"
        )
    allowed = {"format", "version", *LIMITS, "separable_order", "nodes", "provenance"}
    for key in data:
        if key not in allowed:
            raise UserError(f"{where}: unknown key {_short(key)}{nearest(key, allowed)}")


def _integer(data: dict[str, Any], name: str, where: str) -> Any:
    if name not in data:
        raise UserError(f"{where}: '{name}' is missing")
    return data[name]


def _edges(data: dict[str, Any], where: str) -> tuple[Edge, ...]:
    nodes = data.get("nodes")
    if not isinstance(nodes, dict):
        raise UserError(f"{where}: 'nodes' must be an object of node name to list of edges")
    edges = []
    for target, incoming in nodes.items():
        if not re.fullmatch(r"[UN]\d{1,2}(\.\d{1,2})?", target) or not isinstance(incoming, list):
            raise UserError(f"{where}: node {_short(target)} must be a name such as 'U1' with a list of edges")
        for item in incoming:
            if not isinstance(item, dict) or set(item) != {"from", "operation"}:
                raise UserError(f"{where}: an edge into {target} must have exactly 'from' and 'operation'")
            if not all(isinstance(value, str) for value in item.values()):
                raise UserError(f"{where}: 'from' and 'operation' of an edge into {target} must be strings")
            edges.append(Edge(item["from"], target, item["operation"]))
    return tuple(edges)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
