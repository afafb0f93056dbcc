"""DiffAugment: what each part does to an image, and that gradients pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from degas.gan import augment


def images(n: int = 6, channels: int = 3, size: int = 16) -> Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_translation_against_a_loop() -> None:
    """Each result is the image moved by some shift of at most an eighth, zeros coming in."""
    before = images(30, channels=1)
    torch.manual_seed(0)
    after = augment.translate(before)
    shifts = set()
    for x, y in zip(before, after, strict=True):
        found = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if torch.equal(moved(x, dy, dx), y)]
        assert len(found) == 1
        shifts.add(found[0])
    assert {dy for dy, _ in shifts} == {dx for _, dx in shifts} == {-2, -1, 0, 1, 2}


def moved(image: Tensor, dy: int, dx: int) -> Tensor:
    result = torch.zeros_like(image)
    size = image.shape[1]
    for y in range(max(0, dy), min(size, size + dy)):
        for x in range(max(0, dx), min(size, size + dx)):
            result[:, y, x] = image[:, y - dy, x - dx]
    return result


@pytest.mark.parametrize("size", [8, 10, 14, 16])
def test_cutout_zeroes_one_square_of_half_the_side(size: int) -> None:
    torch.manual_seed(0)
    after = augment.cutout(torch.ones(200, 2, size, size))
    assert torch.equal(after[:, 0], after[:, 1])
    cut = after[:, 0] == 0  # (N, H, W)
    heights, widths = cut.any(2).sum(1), cut.any(1).sum(1)
    assert torch.equal(cut.sum((1, 2)), heights * widths)  # a rectangle
    half = size // 2
    assert int(heights.max()) == int(widths.max()) == half
    assert int(heights.min()) >= half // 2  # the centre lies in the image, so at least that much is seen
    shares = cut.float().mean(0)
    assert float(shares.min()) > 0.02
    assert float(shares.max()) < 0.5


def test_colour_keeps_a_grey_image_flat_and_shifts_its_brightness() -> None:
    torch.manual_seed(0)
    after = augment.colour(torch.zeros(500, 1, 4, 4))
    assert torch.allclose(after, after[:, :, :1, :1].expand_as(after), atol=1e-6)
    assert float(after.min()) == pytest.approx(-0.5, abs=0.05)
    assert float(after.max()) == pytest.approx(0.5, abs=0.05)


def test_colour_scales_contrast_and_saturation() -> None:
    torch.manual_seed(0)
    before = images(500)
    after = augment.colour(before)
    spread = after.mean(1).flatten(1).std(1) / before.mean(1).flatten(1).std(1)  # of grey values: contrast alone
    assert float(spread.min()) == pytest.approx(0.5, abs=0.05)
    assert float(spread.max()) == pytest.approx(1.5, abs=0.05)
    colours = (after - after.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    colours = colours / (before - before.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    assert float(colours.min()) < 0.1
    assert float(colours.max()) > 2


@pytest.mark.parametrize("function", [augment.colour, augment.translate, augment.cutout, augment.diffaugment])
def test_gradients_match_finite_differences(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def seeded(value: Tensor) -> Tensor:
        torch.manual_seed(1)
        return function(value)

    assert torch.autograd.gradcheck(seeded, [x])


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_draws_its_own_and_shape_stays(channels: int) -> None:
    torch.manual_seed(0)
    same = images(1, channels).repeat(4, 1, 1, 1)
    after = augment.diffaugment(same)
    assert after.shape == same.shape
    assert not any(torch.equal(after[0], other) for other in after[1:])
