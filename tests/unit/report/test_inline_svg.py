from __future__ import annotations

from xml.etree import ElementTree

import pytest

from degas.architecture import Architecture
from degas.nas.pruning import prune, random_alpha
from degas.report.inline_svg import architecture_svg
from degas.space import SearchSpace


@pytest.mark.parametrize(("stages", "normal"), [(1, 0), (2, 1), (3, 1), (5, 3)])
def test_every_possible_edge_can_be_reached_and_says_its_facts(stages: int, normal: int) -> None:
    space = SearchSpace(stages, normal)
    alpha = random_alpha(space, 2)
    architecture = Architecture(stages, normal, 4, 8, 16, 3, prune(alpha, space))
    root = ElementTree.fromstring(str(architecture_svg(architecture, alpha)))
    edges = [e for e in root.iter("g") if "edge" in e.get("class", "").split()]
    kept = [e for e in edges if "kept" in e.get("class", "").split()]
    assert len(edges) == len(space.slots)
    assert len(kept) == len(architecture.edges)
    for edge in edges:
        assert edge.get("tabindex") == "0"
        assert " to " in edge.get("aria-label", "")
        assert edge.get("data-alpha")
    for edge in kept:
        assert "margin +" in edge.get("aria-label", "")
        assert edge.get("data-margin", "").startswith("+")


def test_without_alpha_there_is_no_margin() -> None:
    architecture = Architecture(2, 1, 4, 8, 16, 3, SearchSpace(2, 1).draw(0))
    text = str(architecture_svg(architecture))
    ElementTree.fromstring(text)
    assert "data-alpha" not in text
    assert "margin" not in text
