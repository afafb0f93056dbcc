"""Starts: exactly up-sampling and a convolution, of equal variance, and nothing where nothing is asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from degas.gan.fresh import fresh_generator
from degas.gan.settings import resolve_gan
from degas.nets.initialisation import GLOROT, started
from degas.nets.operations import deconvolution
from degas.nets.resampling import repeat_pixels
from degas.nets.starts import start_deconvolutions
from degas.settings.sections import GanSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace

EDGES = (Edge("U0", "N1", "conv_3x3"), Edge("N1", "U1", "deconv_4x4"), Edge("U0", "U1", "deconv_6x6"))
ARCHITECTURE = Architecture(1, 1, 4, 6, 8, 3, EDGES)


def built(**settings: Any) -> dict[str, torch.Tensor]:
    generator = fresh_generator(ARCHITECTURE, resolve_gan(GanSettings(**settings)), seed=3)
    return {name: value.clone() for name, value in generator.state_dict().items()}


@pytest.mark.parametrize("size", [4, 6])
def test_a_nearest_start_is_nearest_up_sampling_and_a_convolution(size: int) -> None:
    torch.manual_seed(0)
    deconv = deconvolution(5, size).double()
    start_deconvolutions(deconv, "nearest")
    conv = nn.Conv2d(5, 5, size - 1, padding=(size - 2) // 2, bias=False).double()
    # The corner tap of the kernel is the corner of one copy alone: undo the spreading from there, tap by tap.
    kernel, inner = deconv.weight.detach().clone(), torch.zeros(5, 5, size - 1, size - 1, dtype=torch.float64)
    for i in range(size - 1):
        for j in range(size - 1):
            inner[:, :, i, j] = kernel[:, :, i, j]
            kernel[:, :, i : i + 2, j : j + 2] -= inner[:, :, i, j, None, None].clone()
    conv.weight = nn.Parameter(inner.flip(2, 3).transpose(0, 1))
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(deconv(x), conv(repeat_pixels(x, 2)), rtol=0, atol=1e-5)  # drawn in float32


@pytest.mark.parametrize("size", [4, 6])
def test_a_bilinear_start_keeps_a_ramp_a_ramp(size: int) -> None:
    """Interpolation of a linear function is linear; what the convolution after it does with it is linear as well."""
    deconv = deconvolution(3, size).double()
    start_deconvolutions(deconv, "bilinear")
    ramp = torch.arange(10.0, dtype=torch.float64).expand(1, 3, 10, 10)
    inside = deconv(ramp).detach()[0, :, 6:-6, 6:-6]
    bends = inside[..., 2:] - 2 * inside[..., 1:-1] + inside[..., :-2]
    assert float(bends.abs().max()) < 1e-5
    independent = deconvolution(3, size).double()(ramp).detach()[0, :, 6:-6, 6:-6]
    assert float(independent.diff(n=2).abs().max()) > 0.1


@pytest.mark.parametrize("size", [4, 6])
@pytest.mark.parametrize("how", ["nearest", "bilinear"])
def test_starts_have_the_variance_of_independent_taps(size: int, how: Any) -> None:
    torch.manual_seed(0)
    x = torch.relu(torch.randn(16, 256, 6, 6))
    deconv = deconvolution(256, size)
    plain = float(deconv(x).detach()[..., 4:-4, 4:-4].square().mean())
    start_deconvolutions(deconv, how)
    smooth = torch.relu(torch.randn(16, 256, 1, 1)).expand(-1, -1, 6, 6)
    white, flat = (float(deconv(v).detach()[..., 4:-4, 4:-4].square().mean()) for v in (x, smooth))
    assert plain == pytest.approx(1.0, rel=0.15)
    assert white == pytest.approx(1.0, rel=0.15)
    assert how == "nearest" or flat > 1.5 * white  # averages lose what is white: a smooth map comes out larger


def test_the_default_start_draws_what_was_drawn_before() -> None:
    plain, asked = built(), built(deconv_start="independent", frame_start="unit")
    assert all(torch.equal(plain[name], asked[name]) for name in plain)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [({"deconv_start": "nearest"}, 2), ({"deconv_start": "bilinear"}, 2), ({"frame_start": "resnet"}, 2)],
)
def test_a_start_changes_its_layers_alone(settings: dict[str, Any], changed: int) -> None:
    plain, other = built(), built(**settings)
    names = [name for name in plain if not torch.equal(plain[name], other[name])]
    assert len(names) == changed
    assert all(("edges" in name) == ("deconv_start" in settings) for name in names)


def test_a_frame_as_resnets_has_its_bounds() -> None:
    found = built(frame_start="resnet")
    linear = started(nn.Linear(8, 6 * 4 * 4), GLOROT).weight
    weight = found["network.linear.weight"]
    assert float(weight.abs().max()) <= float(linear.detach().abs().max()) * 1.05
    assert float(weight.std()) == pytest.approx(float(linear.detach().std()), rel=0.1)


def test_a_search_space_may_ask_for_the_further_operations() -> None:
    space = SearchSpace(1, up_operations=("bilinear_conv_3x3",))
    architecture = Architecture(1, 1, 4, 4, 6, 3, space.draw(0))
    generator = fresh_generator(architecture, resolve_gan(GanSettings()), seed=0)
    assert generator.sample(2).shape == (2, 3, 8, 8)
