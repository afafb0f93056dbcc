from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from degas.errors import UserError
from degas.figures.drawing import draw_architecture
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas.space.pruning import random_alpha


def drawn(stages: int, normal: int, seed: int = 1) -> Architecture:
    return Architecture(stages, normal, 4, 32, 128, 3, SearchSpace(stages, normal).draw(seed))


@pytest.mark.parametrize(("stages", "normal"), [(1, 0), (3, 1), (2, 3), (5, 0), (4, 2)])
def test_png_and_svg_are_drawn_and_not_blank(tmp_path: Path, stages: int, normal: int) -> None:
    architecture = drawn(stages, normal)
    draw_architecture(architecture, tmp_path / "a.png")
    draw_architecture(architecture, tmp_path / "a.svg")
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50
        assert min(image.size) > 150
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    for node in architecture.graph.nodes:
        assert f">{node}<" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_alpha_is_written_on_kept_edges(tmp_path: Path) -> None:
    architecture = drawn(3, 1)
    alpha = random_alpha(architecture.graph, 0)
    draw_architecture(architecture, tmp_path / "with.svg", alpha)
    draw_architecture(architecture, tmp_path / "without.svg")
    assert (tmp_path / "with.svg").read_text().count("α ") == len(architecture.edges)
    assert "α" not in (tmp_path / "without.svg").read_text()


def test_the_same_architecture_gives_the_same_bytes(tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        files = [tmp_path / f"{k}.{suffix}" for k in range(2)]
        for file in files:
            draw_architecture(drawn(2, 1), file)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_given_edges_are_dashed_and_in_the_legend(tmp_path: Path) -> None:
    for name, provenance in (("searched", {}), ("given", {"prefix": {"num_stages": 1}})):
        draw_architecture(replace(drawn(2, 1), provenance=provenance), tmp_path / f"{name}.svg")
    searched, given = ((tmp_path / f"{name}.svg").read_text() for name in ("searched", "given"))
    assert "given edge" not in searched
    assert "given edge" in given
    later = [edge for edge in drawn(2, 1).edges if edge.target in ("N1", "U1")]
    dashes = [text.count("stroke-dasharray: 7.68,3.36") for text in (searched, given)]  # line width 2.4
    assert dashes == [0, 2 * len(later) + 1]  # line and tip of each, and the legend


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jpg: a drawing is a \.png or \.svg file"):
        draw_architecture(drawn(2, 1), tmp_path / "a.jpg")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw_architecture(drawn(1, 0), tmp_path / "file" / "a.png")


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.png.part").write_bytes(b"half a picture")
    draw_architecture(Architecture(1, 1, 4, 4, 4, 1, SearchSpace(1).draw(0)), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
