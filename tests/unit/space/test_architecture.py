"""The space's counts and graph, and the architecture file: round trip, validation, hostile input."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from degas.errors import UserError
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, ZERO, Edge, Order, SearchSpace


def drawn(seed: int = 0, **sizes: Any) -> Architecture:
    values = {"num_stages": 3, "num_normal": 1, "base_size": 4, "width": 8, "noise_size": 16, "channels": 3, **sizes}
    space = SearchSpace(values["num_stages"], values["num_normal"], order=values.get("order", "normal-up"))
    return Architecture(edges=space.draw(seed), **values)


@pytest.mark.parametrize("order", ORDERS)
def test_the_papers_counts(order: Order) -> None:
    assert SearchSpace(order=order).count_continuous() == 145_800_000
    assert SearchSpace(order=order).count_discrete() == 18_895_680


def enumerate_discrete(space: SearchSpace) -> set[tuple[Edge, ...]]:
    """Every architecture that pruning can return, listed one by one."""
    per_node = []
    for node in space.nodes[1:]:
        direct, *residual = space.incoming(node)
        first = [(Edge(direct.source, node, o),) for o in space.operations(direct)]
        second = [(Edge(s.source, node, o),) for s in residual for o in space.operations(s) if o != ZERO]
        per_node.append(first + [d + r for d in first for r in second])
    return {tuple(itertools.chain(*choice)) for choice in itertools.product(*per_node)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_the_discrete_count_is_the_number_of_architectures(num_normal: int, order: Order) -> None:
    space = SearchSpace(2, num_normal, ("skip", "conv_1x1"), ("deconv_4x4", "deconv_6x6"), order)
    assert len(enumerate_discrete(space)) == space.count_discrete()


@pytest.mark.parametrize("order", ORDERS)
def test_drawing_is_uniform_and_repeatable(order: Order) -> None:
    space = SearchSpace(1, 1, ("skip", "conv_1x1"), ("deconv_4x4", "deconv_6x6"), order)
    everything = enumerate_discrete(space)
    counts = Counter(space.draw(seed) for seed in range(300 * len(everything)))
    assert set(counts) == everything
    assert all(240 < count < 360 for count in counts.values())  # 300 ± 3.5 σ
    assert space.draw(5) == space.draw(5)


def test_the_papers_graph() -> None:
    slots = {slot.name: slot for slot in SearchSpace().slots}
    assert list(slots) == [
        *("U0->N1", "N1->U1", "U0->U1"),
        *("U1->N2", "N2->U2", "U0->U2", "U1->U2"),
        *("U2->N3", "N3->U3", "U1->U3", "U2->U3"),
    ]
    assert {name for name, slot in slots.items() if not slot.direct} == {
        "U0->U1",
        "U0->U2",
        "U1->U2",
        "U1->U3",
        "U2->U3",
    }
    assert slots["U0->U2"].factor == 4
    assert slots["U1->U3"].stage == 1


def test_up_first_swaps_the_two_edges_of_a_stage_and_leaves_the_residual_ones() -> None:
    paper, swapped = SearchSpace(), SearchSpace(order="up-normal")
    assert [slot.name for slot in swapped.slots] == [slot.name for slot in paper.slots]
    residual = [[slot for slot in space.slots if not slot.direct] for space in (paper, swapped)]
    assert residual[0] == residual[1]
    direct = {slot.name: (slot.kind, slot.factor, slot.stage) for slot in swapped.slots if slot.direct}
    assert direct == {
        "U0->N1": ("up", 2, 0),
        "U1->N2": ("up", 2, 1),
        "U2->N3": ("up", 2, 2),
        "N1->U1": ("normal", 1, 1),
        "N2->U2": ("normal", 1, 2),
        "N3->U3": ("normal", 1, 3),
    }


def test_up_first_with_two_normal_maps_joins_the_larger_maps() -> None:
    slots = {slot.name: (slot.kind, slot.direct, slot.stage) for slot in SearchSpace(1, 2, order="up-normal").slots}
    assert list(slots) == ["U0->N1.1", "N1.1->N1.2", "N1.2->U1", "U0->U1", "N1.1->U1"]
    assert slots == {
        "U0->N1.1": ("up", True, 0),
        "N1.1->N1.2": ("normal", True, 1),
        "N1.2->U1": ("normal", True, 1),
        "U0->U1": ("up", False, 0),
        "N1.1->U1": ("normal", False, 1),
    }


def test_without_normal_maps_the_orders_are_one() -> None:
    assert SearchSpace(3, 0).slots == SearchSpace(3, 0, order="up-normal").slots


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UserError, match="order must be 'normal-up' or 'up-normal', not 'up'"):
        SearchSpace(order="up")  # type: ignore[arg-type]


def test_two_normal_maps_take_edges_from_the_stage_so_far() -> None:
    slots = {slot.name: slot.direct for slot in SearchSpace(1, 2).slots}
    assert slots == {"U0->N1.1": True, "N1.1->N1.2": True, "U0->N1.2": False, "N1.2->U1": True, "U0->U1": False}


def test_without_normal_maps_the_up_sampled_ones_are_neighbours() -> None:
    assert [(s.name, s.direct) for s in SearchSpace(2, 0).slots] == [
        ("U0->U1", True),
        ("U1->U2", True),
        ("U0->U2", False),
    ]


@given(
    st.integers(0, 10**6),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from(["preact", "darts"]),
    st.sampled_from(ORDERS),
)
def test_the_file_round_trips(seed: int, num_stages: int, num_normal: int, separable: Any, order: Any) -> None:
    architecture = drawn(seed, num_stages=num_stages, num_normal=num_normal, separable_order=separable, order=order)
    assert Architecture.from_dict(json.loads(architecture.to_json())) == architecture


def test_a_file_without_an_order_has_the_papers() -> None:
    assert "order" not in drawn().to_dict()
    assert Architecture.from_dict(drawn().to_dict()).order == "normal-up"
    assert drawn(order="up-normal").to_dict()["order"] == "up-normal"


def test_an_architecture_keeps_its_order_at_other_sizes() -> None:
    architecture = drawn(order="up-normal").for_image_size(48).resized(width=4)
    assert (architecture.order, architecture.base_size) == ("up-normal", 6)


def test_saving_and_loading(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "architecture.json"
    drawn().save(path)
    assert Architecture.load(path) == drawn()
    assert [p.name for p in path.parent.iterdir()] == ["architecture.json"]


def test_edges_take_the_graphs_order_whatever_the_files() -> None:
    data = drawn().to_dict()
    data["nodes"] = dict(reversed([(node, edges[::-1]) for node, edges in data["nodes"].items()]))
    assert Architecture.from_dict(data) == drawn()


def test_resizing_to_another_image_size_scales_base_and_noise() -> None:
    stl = drawn(noise_size=128).for_image_size(48)
    assert (stl.base_size, stl.noise_size, stl.image_size) == (6, 192, 48)
    with pytest.raises(UserError, match="multiple of 8"):
        drawn().for_image_size(30)


def change(**values: Any) -> dict[str, Any]:
    return {**drawn().to_dict(), **values}


def with_edge(node: str, **edge: Any) -> dict[str, Any]:
    data = drawn().to_dict()
    data["nodes"][node] = [edge]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be a JSON object"),
        (change(format="other"), "not an architecture file"),
        (change(version=2), "version 2 is not 1"),
        (change(version=True), "version True is not 1"),
        (change(colour=1), "unknown key 'colour'"),
        (change(width=10**9), "width must be a whole number from 1 to 2048"),
        (change(width=8.0), "width must be a whole number"),
        (change(width=True), "width must be a whole number"),
        (change(num_stages=40), "num_stages must be a whole number from 1 to 8"),
        (change(num_stages=8, base_size=64), "over 1024 px"),
        (change(separable_order="x"), "separable_order"),
        (change(order="up"), "order must be 'normal-up' or 'up-normal', not 'up'"),
        (change(order=["up-normal"]), "order must be"),
        (change(nodes=[]), "'nodes' must be an object"),
        (change(nodes={"Q1": []}), "node 'Q1'"),
        (change(provenance=3), "'provenance' must be an object"),
        (with_edge("N1", **{"from": "U0", "operation": "conv_3x4"}), "did you mean 'conv_3x3'"),
        (with_edge("N1", **{"from": "U0", "operation": "deconv_4x4"}), "edge U0->N1 takes a normal operation, not"),
        (with_edge("N1", **{"from": "U1", "operation": "skip"}), "no edge 'U1' -> 'N1'"),
        (with_edge("U1", **{"from": "U0", "operation": "deconv_4x4"}), "has no direct edge from N1"),
        (with_edge("N1", **{"from": "U0", "operation": 3}), "must be strings"),
        (with_edge("N1", **{"from": "U0"}), "exactly 'from' and 'operation'"),
        (with_edge("U1", **{"from": "N1", "operation": ZERO}), "unknown up operation 'zero'"),
    ],
)
def test_a_bad_file_gets_one_clear_line(data: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError) as caught:
        Architecture.load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1e999"])
def test_a_file_that_is_no_json_gets_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json"):
        Architecture.load(path)


def test_a_file_of_a_windows_editor_is_read_and_another_encoding_is_named(tmp_path: Path) -> None:
    made = Architecture(1, 1, 4, 4, 8, 3, SearchSpace(1).draw(0))
    text, path = json.dumps(made.to_dict()), tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8-sig"))
    assert Architecture.load(path) == made
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(UserError, match=r"a\.json: not valid JSON: its text is not UTF-8; save it as UTF-8$"):
        Architecture.load(path)


def test_a_missing_or_oversized_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Architecture.load(tmp_path / "none.json")
    (tmp_path / "big.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(UserError, match="too large"):
        Architecture.load(tmp_path / "big.json")


def test_a_space_refuses_unknown_or_repeated_operations() -> None:
    with pytest.raises(UserError, match="unknown up operation 'skip'"):
        SearchSpace(up_operations=("skip",))
    with pytest.raises(UserError, match="listed twice"):
        SearchSpace(normal_operations=("skip", "skip"))
    with pytest.raises(UserError, match="at least one"):
        SearchSpace(normal_operations=())


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.json.part").write_text("{")
    drawn().save(tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
