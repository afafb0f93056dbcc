"""The drawing of a critic: every map and operation once, in order, inside the picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from degas.figures.critic_svg import critic_svg
from degas.space.critic import CriticLayout, CriticStage
from degas.space.find_critic import shipped_critic

LAYOUT = CriticLayout((CriticStage("space_to_depth", ("conv_3x3",)), CriticStage("max_pool", repeat=True)))


def texts(svg: str, style: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("text") if each.get("class") == style]


def test_maps_and_operations_in_order() -> None:
    assert texts(critic_svg(LAYOUT, 9), "name") == ["image", "5×5", "5×5"]
    assert texts(critic_svg(LAYOUT, 40), "name") == ["image", "20×20", "20×20", "10×10"]
    assert texts(critic_svg(LAYOUT, 40), "operation") == ["space to", "depth", "conv 3×3", "max pool"]
    assert texts(critic_svg(LAYOUT, 40), "note") == ["40×40"]
    assert 'aria-label="Critic, from image to scores: space_to_depth, conv_3x3, max_pool"' in critic_svg(LAYOUT, 40)


def test_everything_is_inside_and_ids_are_apart() -> None:
    svg = critic_svg(shipped_critic("resnet"), 128, "a")
    root = ElementTree.fromstring(svg)
    left, top, width, height = (float(each) for each in root.get("viewBox", "").split())
    for box in root.iter("rect"):
        x, y = float(box.get("x", "")), float(box.get("y", ""))
        assert left <= x
        assert x + float(box.get("width", "")) <= left + width
        assert top <= y
        assert y + float(box.get("height", "")) <= top + height
    assert all(top < float(text.get("y", "")) < top + height for text in root.iter("text"))
    assert set(re.findall(r'id="([^"]+)"', svg)) == set(re.findall(r"url\(#([^)]+)\)", svg))
    assert not set(re.findall(r'id="([^"]+)"', critic_svg(LAYOUT, 8, "b"))) & set(re.findall(r'id="([^"]+)"', svg))
