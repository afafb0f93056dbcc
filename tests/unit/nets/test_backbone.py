from __future__ import annotations

import pytest
import torch

from degas.nas.supernet.supernet import Supernet
from degas.nets.backbone import Backbone
from degas.settings.sections import SpaceSettings


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    space, base_size = SpaceSettings().resolve(16)
    return Supernet(space, base_size=base_size, width=4, noise_size=6, channels=3).backbone


@pytest.mark.parametrize("node", ["N1", "U1", "N2", "U2"])
def test_a_pass_cut_before_any_node_ends_in_the_same_image(backbone: Backbone, node: str) -> None:
    noise = torch.randn(3, 6)
    with torch.no_grad():
        whole = backbone(noise)
        maps = backbone.maps(noise, before=node)
        assert node not in maps.nodes
        kept = {name: value.clone() for name, value in maps.nodes.items()}
        assert torch.equal(backbone.image(maps), whole)
        assert torch.equal(backbone.image(maps), whole)  # the maps can be used again
    assert list(maps.nodes) == list(kept)
    assert all(torch.equal(value, kept[name]) for name, value in maps.nodes.items())


def test_before_its_first_node_a_pass_holds_the_first_map_alone(backbone: Backbone) -> None:
    assert list(backbone.maps(torch.randn(2, 6), before="N1").nodes) == ["U0"]
    assert list(backbone.maps(torch.randn(2, 6)).nodes) == ["U0", "N1", "U1", "N2", "U2"]
