from __future__ import annotations

import itertools

import pytest

from degas.figures.drawing import ACROSS_PAGE, DOWN_PAGE
from degas.figures.facts import edge_facts
from degas.figures.inline_svg import SIZES
from degas.figures.layout import Layout, Lengths, lay_out, operation_lines
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, Order, SearchSpace

SHAPES = [(stages, normal) for stages in range(1, 6) for normal in range(4)]


def layout(stages: int, normal: int, sizes: Lengths, seed: int = 0, order: Order = "normal-up") -> Layout:
    edges = SearchSpace(stages, normal, order=order).draw(seed)
    architecture = Architecture(stages, normal, 4, 8, 16, 3, edges, order=order)
    return lay_out(architecture, edge_facts(architecture, None), sizes)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("stages", "normal"), SHAPES)
@pytest.mark.parametrize("sizes", [ACROSS_PAGE, DOWN_PAGE, SIZES])
def test_every_node_and_slot_has_its_place_and_nothing_lies_outside(
    stages: int, normal: int, sizes: Lengths, order: Order
) -> None:
    drawn = layout(stages, normal, sizes, order=order)
    space = SearchSpace(stages, normal, order=order)
    assert [node.name for node in drawn.nodes] == ["noise", *space.nodes, "image"]
    assert [edge.fact.slot for edge in drawn.edges] == list(space.slots)
    for edge in drawn.edges:
        assert edge.fact.slot.direct == (not edge.bend)
        for along, across in (edge.start, edge.end, edge.label):
            assert 0 < along < drawn.along
            assert drawn.low <= across <= drawn.high


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("stages", "normal"), SHAPES)
def test_labels_overlap_neither_each_other_nor_the_nodes(stages: int, normal: int, order: Order) -> None:
    for seed in range(8):
        drawn = layout(stages, normal, SIZES, seed, order)
        tall = 18  # half a label of two lines, with its frame
        labels = [edge.label for edge in drawn.edges if edge.fact.kept]
        for (x, y), (u, v) in itertools.combinations(labels, 2):
            assert abs(x - u) >= 2 * tall or abs(y - v) >= 2 * SIZES.label_across
        for (x, y), node in itertools.product(labels, drawn.nodes):
            clear = SIZES.label_across + node.half_across
            assert abs(x - node.along) >= tall + node.half_along or abs(y) >= clear


def test_a_map_is_as_large_as_what_the_network_computes() -> None:
    """In the paper's order a stage's normal map has the size of the map before it, up first that of the one after."""
    notes = {order: [node.note for node in layout(2, 1, SIZES, order=order).nodes[1:-1]] for order in ORDERS}
    assert notes == {
        "normal-up": ["4×4", "4×4", "8×8", "8×8", "16×16"],
        "up-normal": ["4×4", "8×8", "8×8", "16×16", "16×16"],
    }


def test_an_arc_passes_through_its_label() -> None:
    for edge in layout(3, 2, SIZES).edges:
        if edge.bend:
            points = (edge.start, *edge.bend, edge.end)
            middle = [sum(w * p[k] for w, p in zip((1, 3, 3, 1), points, strict=True)) / 8 for k in (0, 1)]
            assert middle == pytest.approx(edge.label)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("skip", ("skip",)),
        ("conv_3x3", ("conv 3×3",)),
        ("nearest_conv_1x1", ("nearest", "conv 1×1")),
        ("sep_conv_5x5", ("sep conv", "5×5")),
        ("deconv_4x4", ("deconv", "4×4")),
        ("averylongname", ("averylongname",)),
    ],
)
def test_operation_lines(name: str, lines: tuple[str, ...]) -> None:
    assert operation_lines(name) == lines
