"""The hand-designed generators: sizes, labels, and the authors' parameter count."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from degas.nets.baselines import ResnetGenerator, UpBlock
from degas.nets.generators import GENERATORS
from degas.nets.normalisation import ConditionalBatchNorm


@pytest.mark.parametrize("kind", ["resnet", "dcgan"])
@pytest.mark.parametrize(("base_size", "num_stages", "channels"), [(4, 1, 1), (4, 3, 3), (6, 2, 3), (5, 2, 1)])
def test_sizes_and_range(kind: str, base_size: int, num_stages: int, channels: int) -> None:
    network = GENERATORS.find(kind, "")(
        width=4, noise_size=7, base_size=base_size, num_stages=num_stages, channels=channels, num_classes=0
    )
    made = network(torch.randn(3, 7))
    assert made.shape == (3, channels, base_size * 2**num_stages, base_size * 2**num_stages)
    assert float(made.detach().abs().max()) <= 1
    assert float(made.detach().std()) > 0.01


def test_resnet_has_the_parameters_of_ct_gans_generator() -> None:
    network = ResnetGenerator(width=128, noise_size=128, base_size=4, num_stages=3, channels=3)
    conv, shortcut, norm = 128 * 128 * 9 + 128, 128 * 128 + 128, 256
    by_hand = 129 * 2048 + 3 * (2 * conv + shortcut + 2 * norm) + norm + 128 * 27 + 3
    assert sum(p.numel() for p in network.parameters()) == by_hand == 1_204_483


@pytest.mark.parametrize(("kind", "conditional"), [("resnet", 4), ("dcgan", 2)])
def test_labels_reach_every_norm_but_resnets_last(kind: str, conditional: int) -> None:
    network = GENERATORS.find(kind, "")(width=4, noise_size=7, base_size=4, num_stages=2, channels=1, num_classes=3)
    assert sum(isinstance(m, ConditionalBatchNorm) for m in network.modules()) == conditional
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm):
            torch.nn.init.normal_(module.class_weight)
    noise = torch.randn(1, 7).repeat(4, 1)
    made = network.eval()(noise, torch.tensor([0, 0, 1, 2]))
    assert torch.allclose(made[0], made[1], atol=1e-6)
    assert not torch.allclose(made[0], made[2])
    assert not torch.allclose(made[2], made[3])


def test_shortcut_equals_the_authors_order() -> None:
    """The code up-samples and then convolves the shortcut; here the other way round, at a quarter of the cost."""
    block = UpBlock(4, 0).double()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)

    def twice(value: torch.Tensor) -> torch.Tensor:
        return F.interpolate(value, scale_factor=2, mode="nearest")

    hidden = block.conv1(twice(torch.relu(block.norm1(x))))
    hidden = block.conv2(torch.relu(block.norm2(hidden)))
    assert torch.allclose(block(x), block.shortcut(twice(x)) + hidden, atol=1e-12)
