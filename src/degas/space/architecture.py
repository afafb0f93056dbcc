"""The architecture that a search finds in its space (`space/graph.py`), and its file. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from degas.errors import UserError, nearest
from degas.runtime.paths import expanded
from degas.space.graph import (
    LIMITS,
    MAX_IMAGE_SIZE,
    OPERATION_KINDS,
    ORDERS,
    Edge,
    Order,
    SearchSpace,
    Slot,
    check_limit,
    short,
    stage_of,
)
from degas.space.json_file import FileKind, check_head, file_text, provenance_of, read_json_file, save_json_file

FORMAT = "degas-architecture"
VERSION = 1
FILE = FileKind("architecture file", "architecture.json", FORMAT, VERSION)
WHERE = "architecture"  # the name in messages of an architecture without a file


@dataclass(frozen=True)
class Architecture:
    """A generator's architecture: the discrete result of a search (DARTS calls it genotype).

    Sizes: `base_size` pixels of the first map, `width` channels of every map, `noise_size` entries of the noise,
    `channels` of the image. `provenance` gives its origin, as JSON values without times or paths. Raises `UserError` if
    the edges do not fit the graph.
    """

    num_stages: int
    num_normal: int
    base_size: int
    width: int
    noise_size: int
    channels: int
    edges: tuple[Edge, ...]
    separable_order: Literal["preact", "darts"] = "preact"
    order: Order = "normal-up"
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _validate(self, WHERE)

    @property
    def image_size(self) -> int:
        """Pixels along each side of the generated image."""
        return self.base_size * 2**self.num_stages

    @property
    def graph(self) -> SearchSpace:
        return SearchSpace(self.num_stages, self.num_normal, order=self.order)

    @property
    def num_given_stages(self) -> int:
        """Stages that were given to the search, not found by it (`--search.prefix`), by the provenance; mostly 0."""
        prefix = self.provenance.get("prefix")
        given = prefix.get("num_stages") if isinstance(prefix, Mapping) else 0
        return given if type(given) is int and 0 < given < self.num_stages else 0

    def is_given(self, node: str) -> bool:
        """Return whether the edges into `node` were given to the search."""
        return 0 < stage_of(node) <= self.num_given_stages

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
        """The same operations at other sizes; the paper uses CIFAR-10's at 48 px by base size 4 → 6."""
        given = {"width": width, "base_size": base_size, "noise_size": noise_size, "channels": channels}
        return replace(self, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]

    def shortened(self, num_stages: int) -> Architecture:
        """Its first stages alone, up to the map U_k of `num_stages` = k, which then makes the image."""
        kept = tuple(edge for edge in self.edges if stage_of(edge.target) <= num_stages)
        return replace(self, num_stages=num_stages, edges=kept)

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
        if (
            self.order != "normal-up"
        ):  # files of the paper's order do not change, and older readers reject the other order
            head["order"] = self.order
        return {**head, "nodes": nodes, "provenance": dict(self.provenance)}

    def to_json(self) -> str:
        return file_text(self.to_dict())

    def save(self, path: str | Path) -> None:
        """Write the file completely or not at all; raises `UserError` if it cannot be written."""
        save_json_file(path, self.to_json())

    @classmethod
    def from_dict(cls, data: Any, where: str = WHERE) -> Architecture:
        """Build from the JSON object of an architecture file; `where` names it in messages."""
        check_head(data, where, FILE, (*LIMITS, "separable_order", "order", "nodes"))
        sizes = {name: _integer(data, name, where) for name in LIMITS}
        for name, value in sizes.items():
            check_limit(where, name, value)
        provenance = provenance_of(data, where)
        orders = {"separable_order": data.get("separable_order", "preact"), "order": data.get("order", "normal-up")}
        try:
            return cls(**sizes, edges=_edges(data, where), **orders, provenance=provenance)
        except UserError as error:
            raise UserError(str(error).replace(WHERE, where, 1)) from None

    @classmethod
    def load(cls, path: str | Path) -> Architecture:
        """Read and validate an architecture file; raises `UserError` with one line that names the fault."""
        return cls.from_dict(read_json_file(path, FILE), str(expanded(path)))


def _validate(architecture: Architecture, where: str) -> None:
    """Raise `UserError` for sizes, orders or edges that no generator has; put the edges into the graph's order."""
    _validate_sizes(architecture, where)
    _validate_edges(architecture, where)
    order = [(slot.source, slot.target) for slot in architecture.graph.slots]
    ordered = sorted(architecture.edges, key=lambda edge: order.index((edge.source, edge.target)))
    object.__setattr__(architecture, "edges", tuple(ordered))


def _validate_sizes(architecture: Architecture, where: str) -> None:
    for name in LIMITS:
        check_limit(where, name, getattr(architecture, name))
    if architecture.base_size * 2**architecture.num_stages > MAX_IMAGE_SIZE:
        raise UserError(f"{where}: base_size·2^num_stages is over {MAX_IMAGE_SIZE} px; lower one of them")
    if architecture.separable_order not in ("preact", "darts"):
        raise UserError(
            f"{where}: separable_order must be 'preact' or 'darts', not {short(architecture.separable_order)}"
        )
    if architecture.order not in ORDERS:
        raise UserError(f"{where}: order must be 'normal-up' or 'up-normal', not {short(architecture.order)}")


def _validate_edges(architecture: Architecture, where: str) -> None:
    graph = architecture.graph
    known = {(slot.source, slot.target): slot for slot in graph.slots}
    seen: set[tuple[str, str]] = set()
    for edge in architecture.edges:
        slot = known.get((edge.source, edge.target))
        if slot is None:
            raise UserError(f"{where}: the graph has no edge {short(edge.source)} -> {short(edge.target)}")
        if (edge.source, edge.target) in seen:
            raise UserError(f"{where}: edge {slot.name} is given twice")
        seen.add((edge.source, edge.target))
        _check_operation(where, slot, edge.operation, architecture.order)
    for slot in graph.slots:
        if slot.direct and (slot.source, slot.target) not in seen:
            raise UserError(f"{where}: node {slot.target} has no direct edge from {slot.source}")


def _check_operation(where: str, slot: Slot, operation: str, order: Order) -> None:
    valid = [name for name, kind in OPERATION_KINDS.items() if kind == slot.kind]
    if OPERATION_KINDS.get(operation, slot.kind) != slot.kind:
        raise UserError(
            f"{where}: edge {slot.name} takes {'an up' if slot.kind == 'up' else 'a normal'} operation, "
            f"not {operation!r}; give another, or another 'order' than {order!r}"
        )
    if operation not in valid:
        raise UserError(
            f"{where}: unknown {slot.kind} operation {short(operation)} on edge {slot.name}{nearest(operation, valid)}"
        )


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
            raise UserError(f"{where}: node {short(target)} must be a name such as 'U1' with a list of edges")
        for item in incoming:
            if not isinstance(item, dict) or set(item) != {"from", "operation"}:
                raise UserError(f"{where}: an edge into {target} must have exactly 'from' and 'operation'")
            if not all(isinstance(value, str) for value in item.values()):
                raise UserError(f"{where}: 'from' and 'operation' of an edge into {target} must be strings")
            edges.append(Edge(item["from"], target, item["operation"]))
    return tuple(edges)
