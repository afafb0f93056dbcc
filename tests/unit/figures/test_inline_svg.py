from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from degas.figures.facts import edge_facts
from degas.figures.inline_svg import architecture_svg
from degas.report.decisions import decisions_of
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import decisions, prune, random_alpha


@pytest.mark.parametrize(("stages", "normal"), [(1, 0), (2, 1), (3, 1), (5, 3)])
def test_every_possible_edge_can_be_reached_and_says_its_facts(stages: int, normal: int) -> None:
    space = SearchSpace(stages, normal)
    alpha = random_alpha(space, 2)
    architecture = Architecture(stages, normal, 4, 8, 16, 3, prune(alpha, space))
    written = {"rule": "paper", "decisions": [{"name": one.name, **vars(one)} for one in decisions(alpha, space)]}
    facts = edge_facts(architecture, alpha, decisions_of(written))
    root = ElementTree.fromstring(str(architecture_svg(facts, architecture)))
    edges = [e for e in root.iter("g") if "edge" in e.get("class", "").split()]
    kept = [e for e in edges if "kept" in e.get("class", "").split()]
    assert len(edges) == len(space.slots)
    assert len(kept) == len(architecture.edges)
    for edge in edges:
        assert edge.get("tabindex") == "0"
        assert " to " in edge.get("aria-label", "")
        assert "by α" in edge.get("data-leader", "")
    for edge in kept:
        assert "margin +" in edge.get("aria-label", "")
        assert edge.get("data-margin", "").startswith("+")
        assert edge.get("data-leader") == "leads by α"


def test_without_alpha_there_is_no_margin() -> None:
    architecture = Architecture(2, 1, 4, 8, 16, 3, SearchSpace(2, 1).draw(0))
    text = str(architecture_svg(edge_facts(architecture), architecture))
    ElementTree.fromstring(text)
    assert "data-alpha" not in text
    assert "margin" not in text


def test_given_edges_are_called_given() -> None:
    architecture = replace(
        Architecture(2, 1, 4, 8, 16, 3, SearchSpace(2, 1).draw(0)), provenance={"prefix": {"num_stages": 1}}
    )
    root = ElementTree.fromstring(str(architecture_svg(edge_facts(architecture), architecture)))
    given = [e for e in root.iter("g") if "given" in e.get("class", "").split()]
    assert len(given) == sum(edge.target in ("N1", "U1") for edge in architecture.edges)
    assert all(", given: " in edge.get("aria-label", "") for edge in given)
