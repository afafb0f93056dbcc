"""The critic: shapes, the place of the dropout, its random state, spectral norm, and its start."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Any

import pytest
import torch
from plain_resnet_critic import PlainResnetCritic
from torch import Tensor, nn
from torch.nn import functional as F

from degas.gan.settings import resolve_gan
from degas.nets.critic import Critic
from degas.nets.initialisation import GLOROT, HE, biased_conv, started
from degas.nets.resampling import as_defined
from degas.runtime.rng import forked_rng
from degas.settings.sections import GanSettings
from degas.space.find_critic import shipped_critic


def images(n: int = 3, channels: int = 3, size: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (10, 1), (14, 3), (16, 3), (32, 3), (48, 3), (128, 1)])
def test_shapes_at_every_image_size(size: int, channels: int) -> None:
    output = Critic(width=4, channels=channels, image_size=size, num_classes=5)(images(2, channels, size))
    assert output.scores.shape == (2,)
    assert output.features.shape == (2, 4)
    assert output.class_logits.shape == (2, 5)


@pytest.mark.parametrize(("size", "classes"), [(8, 0), (10, 3), (32, 0), (65, 0), (130, 2)])
def test_the_shipped_resnet_has_the_bits_of_the_critic_without_a_layout(size: int, classes: int) -> None:
    sizes = {"width": 4, "channels": 3, "image_size": size, "output_size": 2, "num_classes": classes}
    networks = []
    for make in (PlainResnetCritic, Critic, partial(Critic, layout=shipped_critic("resnet"))):
        torch.manual_seed(0)
        networks.append(make(**sizes))
    plain, *ours = networks
    for critic in ours:
        assert list(critic.state_dict()) == list(plain.state_dict())  # old checkpoints load
        for name, value in critic.state_dict().items():
            assert torch.equal(value, plain.state_dict()[name]), name
        with as_defined():
            assert torch.equal(critic(images(2, 3, size)).scores, plain(images(2, 3, size)))


def test_output_of_sixteen_numbers_and_no_classes() -> None:
    output = Critic(width=4, channels=3, image_size=16, output_size=16)(images())
    assert output.scores.shape == (3, 16)
    assert output.class_logits is None


def test_parameters_of_the_authors_critic() -> None:
    """Width 128, 32 px: counted by hand from the CT-GAN code's layers."""
    conv3, conv1 = 128 * 128 * 9 + 128, 128 * 128 + 128
    by_hand = (3 * 128 * 9 + 128) + conv3 + (3 * 128 + 128) + (2 * conv3 + conv1) + 2 * (2 * conv3) + 129
    critic = Critic(width=128, channels=3, image_size=32)
    assert sum(p.numel() for p in critic.parameters()) == by_hand


def test_rows_do_not_affect_each_other() -> None:
    critic = Critic(width=4, channels=3, image_size=16).double()
    x = images(5).double()
    assert torch.allclose(critic(x).scores, torch.cat([critic(row[None]).scores for row in x]), atol=1e-12)


def test_pooled_shortcut_equals_the_authors_order() -> None:
    """The code pools after the 1×1 convolution; here the other way round, at a quarter of the cost."""
    block = Critic(width=4, channels=3, image_size=16).blocks[0].double()
    x = images(2, 4).double()
    hidden = block.conv2(torch.relu(block.conv1(torch.relu(x))))
    pool = nn.AvgPool2d(2)
    assert torch.allclose(block(x), pool(hidden) + pool(block.shortcut(x)), atol=1e-12)


def test_dropout_follows_the_global_random_state() -> None:
    critic = Critic(width=8, channels=3, image_size=16, dropout=(0.2, 0.5, 0.5))
    scores = []
    for step in (0, 0, 1):
        with forked_rng(1, "critic step", step):
            scores.append(critic(images()).scores)
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])
    critic.eval()
    assert torch.equal(critic(images()).scores, critic(images()).scores)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_rate_sets_the_share_of_zeros_after_its_block(place: int) -> None:
    rates = [0.0, 0.0, 0.0]
    rates[place] = 0.3
    critic = Critic(width=16, channels=3, image_size=16, dropout=tuple(rates))
    seen: list[Tensor] = []
    critic.dropouts[place].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    critic(images(20))
    assert float((seen[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_spectral_norm_bounds_every_layer_but_the_class_head() -> None:
    critic = Critic(width=8, channels=3, image_size=16, num_classes=4, spectral=True)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(5.0)
    for _ in range(50):  # one power iteration a forward
        critic(images())
    layers = [m for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m is not critic.classify]
    assert len(layers) == 11
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1.0, abs=0.02)
    assert not hasattr(critic.classify, "parametrizations")


def test_summed_pool_multiplies_by_the_positions() -> None:
    mean = Critic(width=4, channels=3, image_size=16, num_classes=3)
    total = Critic(width=4, channels=3, image_size=16, num_classes=3, score_pool="sum")
    total.load_state_dict(mean.state_dict())
    theirs, ours = mean(images()), total(images())
    assert torch.allclose(ours.scores, 16 * theirs.scores, atol=1e-5)  # 4×4 positions, zero bias
    assert torch.allclose(ours.class_logits, 16 * theirs.class_logits, atol=1e-5)
    assert torch.equal(ours.features, theirs.features)


@pytest.mark.parametrize("output_size", [1, 3])
@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_a_projection_adds_to_a_score_what_belongs_to_the_label(output_size: int, pool: Any) -> None:
    """Image by image: S φ + b + V_y φ, with a matrix V_y for each class."""
    sizes: dict[str, Any] = {"width": 8, "channels": 3, "image_size": 16, "num_classes": 4, "output_size": output_size}
    critic = Critic(**sizes, score_pool=pool, class_head="projection").eval()
    labels = torch.tensor([3, 0, 3, 1])
    output = critic(images(4), labels)
    assert output.class_logits is None
    of_class = critic.project.weight.reshape(4, output_size, 8)
    for row, (features, label) in enumerate(zip(output.features, labels.tolist(), strict=True)):
        seen = 16 * features if pool == "sum" else features  # 4×4 positions
        expected = critic.score.weight @ seen + critic.score.bias + of_class[label] @ seen
        assert torch.allclose(output.scores[row], expected.squeeze(0) if output_size == 1 else expected, atol=1e-5)
    assert not torch.allclose(output.scores, critic(images(4), (labels + 1) % 4).scores, atol=1e-3)
    with pytest.raises(ValueError, match="scores images with their labels"):
        critic(images(4))


def test_without_classes_there_is_no_projection() -> None:
    critic = Critic(width=4, channels=3, image_size=16, class_head="projection")
    assert critic.project is None
    assert critic(images()).scores.shape == (len(images()),)


def test_a_projection_is_spectrally_normalised() -> None:
    critic = Critic(width=8, channels=3, image_size=16, num_classes=4, spectral=True, class_head="projection")
    with torch.no_grad():
        critic.project.parametrizations.weight.original.mul_(5.0)
    for _ in range(50):  # one power iteration a forward
        critic(images(), torch.zeros(len(images()), dtype=torch.long))
    assert float(torch.linalg.matrix_norm(critic.project.weight.detach(), 2)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("objective", ["mmd", "sn-gan"])
def test_the_class_head_of_a_spectrally_normalised_critic_learns(objective: str) -> None:
    """Dark and bright images in 30 steps: features of mean pools are so small that its logits stayed near 0."""
    torch.manual_seed(0)
    own = resolve_gan(GanSettings(objective=objective, supervised=True, class_head="classifier")).own
    critic = Critic(width=8, channels=1, image_size=16, num_classes=2, **own.critic_options)
    optimizer = torch.optim.Adam(critic.parameters(), lr=own.critic_lr, betas=(0.0, 0.9))
    labels = torch.arange(8) % 2
    for _ in range(30):
        noisy = (labels - 0.5)[:, None, None, None] + 0.5 * torch.randn(8, 1, 16, 16)
        loss = F.cross_entropy(critic(noisy).class_logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.35  # ln 2 = 0.69 at the start


@pytest.mark.parametrize(("gain", "fans"), [(GLOROT, 2), (HE, 4)])
def test_start_is_uniform_with_the_authors_variance(gain: float, fans: int) -> None:
    torch.manual_seed(0)
    conv = biased_conv(3, 128, 3, gain)
    variance = fans / (3 * 9 + 128 * 9)
    assert float(conv.weight.var()) == pytest.approx(variance, rel=0.05)
    assert float(conv.weight.abs().max()) <= math.sqrt(3 * variance)
    assert not conv.bias.any()


def test_start_of_a_transposed_convolution_counts_the_taps_a_pixel_sees() -> None:
    torch.manual_seed(0)
    layer = started(nn.ConvTranspose2d(32, 32, 4, stride=2), GLOROT)
    assert float(layer.weight.var()) == pytest.approx(2 / (64 * 4), rel=0.05)


def test_spectral_norms_are_computed_in_float32_within_autocast() -> None:
    """On CUDA the products of the power iteration would else be rounded to bfloat16."""
    critic = Critic(width=8, channels=3, image_size=16, spectral=True)
    plain = copy.deepcopy(critic)
    seen = []
    for layer in critic.spectral:
        layer.parametrizations.weight[0].register_forward_pre_hook(
            lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
        )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        critic(images())
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False] * len(critic.spectral)  # and each once
    plain(images())
    for ours, its in zip(critic.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(ours, its)
