from __future__ import annotations

import pytest
import torch

from degas.data.pixels import dequantise, to_symmetric, to_uint8

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)


def test_to_symmetric_maps_black_to_minus_one_and_white_to_one() -> None:
    out = to_symmetric(ALL_LEVELS)
    assert out.dtype == torch.float32
    assert out[0] == -1.0
    assert out[255] == 1.0
    torch.testing.assert_close(out, ALL_LEVELS.float() / 127.5 - 1)


def test_dequantise_is_the_paper_codes_formula_and_stays_inside_its_level() -> None:
    out = dequantise(ALL_LEVELS.repeat(4000, 1), torch.Generator().manual_seed(0))
    noise = out.double() - 2 * (ALL_LEVELS.double() / 256 - 0.5)
    assert noise.min() >= 0
    assert noise.max() < 1 / 128
    # a uniform's mean and variance, each within five standard errors of 1,024,000 draws
    assert abs(noise.mean() * 128 - 0.5) < 5 * (1 / 12) ** 0.5 / 1_024_000**0.5
    assert abs(noise.var() * 128**2 - 1 / 12) < 5 * (1 / 180) ** 0.5 / 1_024_000**0.5


def test_to_uint8_inverts_dequantise_without_exception() -> None:
    images = ALL_LEVELS.repeat(20000, 1)  # five million pixels: float32 rounding would show at one in a million
    assert torch.equal(to_uint8(dequantise(images, torch.Generator().manual_seed(1))), images)


def test_to_uint8_inverts_the_extremes_of_the_noise() -> None:
    exact = ALL_LEVELS.double() / 128 - 1
    assert torch.equal(to_uint8((exact + 65535 / 65536 / 128).float()), ALL_LEVELS)
    assert torch.equal(to_uint8(exact.float()), ALL_LEVELS)


def test_to_uint8_clips_what_lies_outside() -> None:
    assert to_uint8(torch.tensor([-7.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


def test_dequantise_depends_on_the_generator_alone() -> None:
    draws = [dequantise(ALL_LEVELS, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("convert", [to_symmetric, lambda x: dequantise(x, torch.Generator())])
def test_floats_are_no_stored_pixels(convert) -> None:
    with pytest.raises(TypeError, match="uint8"):
        convert(torch.zeros(2))
