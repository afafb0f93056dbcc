"""Every critic operation: its definition, odd sizes, derivatives of derivatives, spectral norm, registration."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import degas
from degas.errors import UserError
from degas.nets import critic_operations
from degas.nets.critic import Critic
from degas.nets.critic_operations import build_critic_operation, register_critic_operation
from degas.nets.resampling import as_defined, convolve_and_blur
from degas.space import critic as vocabulary
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticLayout, CriticStage

DOWN = [name for name, kind in CRITIC_OPERATION_KINDS.items() if kind == "down"]
NORMAL = [name for name, kind in CRITIC_OPERATION_KINDS.items() if kind == "normal"]
SIZES = [(4, 4), (5, 4), (4, 3), (1, 1), (2, 7)]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def layout_with(name: str) -> CriticLayout:
    """A small critic that has the operation in every place that it may have."""
    if CRITIC_OPERATION_KINDS[name] == "down":
        return CriticLayout((CriticStage(name), CriticStage(name)))
    return CriticLayout((CriticStage("mean_pool", (name,)), CriticStage("mean_pool", (name, name))))


def reduced_by_definition(name: str, conv: nn.Module, x: Tensor) -> Tensor:
    """The down operation without its block, pixel by pixel where it is not torch's own."""
    height, width = x.shape[2], x.shape[3]
    padded = F.pad(x, (0, width % 2, 0, height % 2))
    if name == "mean_pool":
        return F.avg_pool2d(conv(x), 2, ceil_mode=True)
    if name == "max_pool":
        return F.max_pool2d(conv[0](x), 2, ceil_mode=True)
    if name == "strided_conv_4x4":
        return F.conv2d(F.pad(padded, (1, 1, 1, 1)), conv.weight, conv.bias, stride=2)
    if name == "space_to_depth":
        corners = [padded[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        channels = torch.stack(corners, 2).flatten(1, 2)  # (N, 4C, H/2, W/2), the four corners of a channel together
        return F.conv2d(channels, conv.weight, conv.bias)
    wide = F.conv2d(F.pad(padded, (2, 2, 2, 2)), conv.weight, conv.bias)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 8
    rows, columns = padded.shape[2] // 2, padded.shape[3] // 2
    return sum(
        taps[i] * taps[j] * wide[:, :, i : i + 2 * rows - 1 : 2, j : j + 2 * columns - 1 : 2]
        for i in range(4)
        for j in range(4)
    )


@pytest.mark.parametrize("pixels", SIZES)
@pytest.mark.parametrize("name", DOWN)
def test_a_down_operation_is_its_definition(name: str, pixels: tuple[int, int]) -> None:
    """Values, gradients, and gradients of gradients, computed fast and with `as_defined`."""
    block = build_critic_operation(name, 3).double()
    start = torch.randn(2, 3, *pixels).double()

    def by_definition(x: Tensor) -> Tensor:
        hidden = F.relu(block.conv1(F.relu(x)))
        return reduced_by_definition(name, block.conv2, hidden) + block.shortcut(F.avg_pool2d(x, 2, ceil_mode=True))

    def defined(x: Tensor) -> Tensor:
        with as_defined():
            return block(x)

    results = []
    for function in (by_definition, block, defined):
        x = start.clone().requires_grad_()
        y = function(x)
        probe = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        (gradient,) = torch.autograd.grad((y * probe).sum(), x, create_graph=True)
        second = torch.autograd.grad(gradient.square().sum() + y.square().sum(), list(block.parameters()))
        results.append([y.detach(), gradient.detach(), *second])
    assert results[0][0].shape == (2, 3, -(-pixels[0] // 2), -(-pixels[1] // 2))
    for other in results[1:]:
        for expected, found in zip(results[0], other, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_a_blur_keeps_a_constant_and_removes_the_finest_stripes() -> None:
    conv = nn.Conv2d(1, 1, 1).double()
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.zero_()
    constant = torch.ones(1, 1, 8, 8).double()
    stripes = constant * torch.tensor([1.0, -1.0]).double().repeat(4)
    assert torch.allclose(convolve_and_blur(constant, conv)[..., 1:-1, 1:-1], constant[..., :2, :2])
    assert torch.allclose(convolve_and_blur(stripes, conv)[..., 1:-1, 1:-1], torch.zeros(1, 1, 2, 2).double())


@pytest.mark.parametrize("pixels", SIZES)
@pytest.mark.parametrize("name", NORMAL)
def test_a_normal_operation_keeps_the_size(name: str, pixels: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *pixels)
    assert build_critic_operation(name, 3)(x).shape == x.shape


def test_normal_operations_by_hand() -> None:
    x = torch.randn(2, 3, 4, 4).double()
    rectified = F.relu(x)
    skip, residual = build_critic_operation("skip", 3), build_critic_operation("residual", 3).double()
    assert torch.equal(skip(x), x)
    assert torch.equal(residual(x), x + residual.conv2(F.relu(residual.conv1(rectified))))
    for name, padding in (("conv_1x1", 0), ("conv_3x3", 1)):
        operation = build_critic_operation(name, 3).double()
        expected = F.conv2d(rectified, operation[1].weight, operation[1].bias, padding=padding)
        torch.testing.assert_close(operation(x), expected)
    separable = build_critic_operation("sep_conv_3x3", 3).double()
    each = [F.conv2d(rectified[:, k : k + 1], separable[1].weight[k : k + 1], padding=1) for k in range(3)]
    torch.testing.assert_close(separable(x), separable[2](torch.cat(each, 1) + separable[1].bias[:, None, None]))


def test_a_depthwise_start_has_the_variance_of_its_nine_taps() -> None:
    weight = build_critic_operation("sep_conv_3x3", 256)[1].weight
    assert float(weight.detach().var()) == pytest.approx(2 * 2 / (9 + 9), rel=0.1)


@pytest.mark.parametrize("name", CRITIC_OPERATION_KINDS)
def test_derivatives_of_derivatives_match_finite_differences(name: str) -> None:
    """As a gradient penalty takes them, in float64, at an odd size."""
    critic = Critic(width=2, channels=1, image_size=5, layout=layout_with(name)).double()
    images = torch.randn(2, 1, 5, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: critic(x).scores, images)
    assert torch.autograd.gradgradcheck(lambda x: critic(x).scores, images)


@pytest.mark.parametrize("name", CRITIC_OPERATION_KINDS)
def test_spectral_norm_bounds_every_layer_of_it(name: str) -> None:
    critic = Critic(width=4, channels=3, image_size=8, spectral=True, layout=layout_with(name))
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(5.0)
    images = torch.randn(2, 3, 8, 8)
    for _ in range(60):  # one power iteration a forward
        critic(images)
    layers = [module for module in critic.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) >= 7
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) <= 1.02


@pytest.mark.parametrize("image_size", [5, 8, 11])
@pytest.mark.parametrize("name", CRITIC_OPERATION_KINDS)
def test_a_critic_of_any_size_scores_each_row_alone(name: str, image_size: int) -> None:
    critic = Critic(width=3, channels=2, image_size=image_size, output_size=4, layout=layout_with(name)).double()
    images = torch.randn(3, 2, image_size, image_size).double()
    scores = critic(images).scores
    assert scores.shape == (3, 4)
    assert torch.allclose(scores, torch.cat([critic(row[None]).scores for row in images]), atol=1e-12)
    again = copy.deepcopy(critic)(images).scores
    assert torch.equal(again, scores)


def test_operations_at_other_places_make_other_critics() -> None:
    kinds = [CriticLayout((CriticStage(name), CriticStage("mean_pool"))) for name in DOWN]
    kinds += [CriticLayout((CriticStage("mean_pool", (name,)),)) for name in NORMAL]
    images, scores = torch.randn(2, 3, 8, 8), []
    for layout in kinds:
        torch.manual_seed(1)
        scores.append(Critic(width=4, channels=3, image_size=8, layout=layout)(images).scores)
    for k, one in enumerate(scores):
        assert not any(torch.equal(one, other) for other in scores[:k])


def test_dropout_follows_the_last_three_operations() -> None:
    layout = CriticLayout((CriticStage("max_pool", ("conv_1x1", "skip")), CriticStage("max_pool", ("residual",))))
    sizes = {"width": 4, "channels": 3, "image_size": 8, "dropout": (0.1, 0.2, 0.3)}
    critic = Critic(**sizes, layout=layout)
    assert [dropout.p for dropout in critic.dropouts] == [0.1, 0.2, 0.3]  # after conv_1x1, max_pool, residual
    assert len(critic.extra) == 0
    for num_stages, rates in ((2, [0.3]), (1, [])):
        short = Critic(**sizes, layout=CriticLayout((CriticStage("max_pool"),) * num_stages))
        assert [dropout.p for dropout in short.dropouts] == rates
        assert short(torch.randn(2, 3, 8, 8)).scores.shape == (2,)


def test_a_registered_operation_goes_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "CRITIC_OPERATION_KINDS", dict(CRITIC_OPERATION_KINDS))
    monkeypatch.setattr(critic_operations, "CRITIC_OPERATION_KINDS", vocabulary.CRITIC_OPERATION_KINDS)
    monkeypatch.setattr(critic_operations, "BUILDERS", dict(critic_operations.BUILDERS))
    degas.register_critic_operation("leaky", "normal", lambda width: nn.LeakyReLU(0.2))
    layout = CriticLayout((CriticStage("mean_pool", ("leaky",)),))
    assert Critic(width=4, channels=3, image_size=8, layout=layout)(torch.randn(2, 3, 8, 8)).scores.shape == (2,)
    with pytest.raises(UserError, match="critic operation 'leaky' is already registered"):
        register_critic_operation("leaky", "normal", lambda width: nn.Identity())
    register_critic_operation("normed", "normal", lambda width: nn.BatchNorm2d(width))
    with pytest.raises(UserError, match="'normed': has a batch norm, which mixes the images of a batch"):
        build_critic_operation("normed", 4)
    with pytest.raises(UserError, match="unknown critic operation 'conv_3x4'; did you mean 'conv_3x3'"):
        build_critic_operation("conv_3x4", 4)
