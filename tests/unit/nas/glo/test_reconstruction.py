from __future__ import annotations

import pytest
import torch
from naive_pyramid import naive_expand, naive_pyramid, naive_reduce, naive_terms

from degas.errors import UserError
from degas.nas.glo.reconstruction import (
    LOSSES,
    expand,
    from_pyramid,
    laplacian_pyramid,
    level_weights,
    num_bands,
    reconstruction_terms,
    reduce,
)

SIZES = [2, 5, 6, 7, 8, 16, 20, 33, 48]


def images(size: int, seed: int = 0, n: int = 2, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, size, size, generator=generator, dtype=torch.float64) * 2 - 1


def test_num_bands_follows_the_size() -> None:
    assert {size: num_bands(size) for size in (1, 2, 4, 8, 16, 20, 32, 48, 64)} == {
        1: 0,
        2: 1,
        4: 1,
        8: 1,
        16: 2,
        20: 2,
        32: 3,
        48: 3,
        64: 4,
    }


@pytest.mark.parametrize("size", SIZES)
def test_reduce_and_expand_equal_the_naive_ones(size: int) -> None:
    x = images(size)
    for ours, plane in zip(reduce(x).flatten(0, 1), x.flatten(0, 1), strict=True):
        torch.testing.assert_close(ours, naive_reduce(plane), rtol=0, atol=1e-14)
    small = images((size + 1) // 2, seed=1)
    for ours, plane in zip(expand(small, size, size).flatten(0, 1), small.flatten(0, 1), strict=True):
        torch.testing.assert_close(ours, naive_expand(plane, size, size), rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_pyramid_reconstructs_perfectly(size: int) -> None:
    x = images(size)
    torch.testing.assert_close(from_pyramid(laplacian_pyramid(x)), x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_constant_images_have_no_bands(size: int) -> None:
    *bands, low_pass = laplacian_pyramid(torch.full((1, 1, size, size), 0.7, dtype=torch.float64))
    assert all(band.abs().max() < 1e-15 for band in bands)
    torch.testing.assert_close(low_pass, torch.full_like(low_pass, 0.7))


@pytest.mark.parametrize("size", [8, 20, 32])
def test_terms_equal_the_naive_ones(size: int) -> None:
    fake, real = images(size, 1), images(size, 2)
    terms = reconstruction_terms(fake, real)
    square, laplace = naive_terms(fake, real, num_bands(size))
    assert float(terms["l2"]) == pytest.approx(square, rel=1e-12)
    assert float(terms["lap1"]) == pytest.approx(laplace, rel=1e-12)


def test_level_j_weighs_four_to_the_j() -> None:
    """A constant difference lives in the low-pass residual alone: 4^L · (size/2^L)² pixels of it are size²."""
    real = torch.zeros(1, 1, 32, 32)
    assert float(reconstruction_terms(real + 0.5, real)["lap1"]) == pytest.approx(0.5, rel=1e-6)


def test_each_loss_has_its_terms() -> None:
    fake, real = images(8, 1), images(8, 2)
    both = reconstruction_terms(fake, real)
    for loss, names in LOSSES.items():
        terms = reconstruction_terms(fake, real, loss)
        assert tuple(terms) == names
        assert all(torch.equal(terms[name], both[name]) for name in names)


def test_gradient_equals_finite_differences() -> None:
    fake, real = images(6, 1, n=1, channels=1).requires_grad_(), images(6, 2, n=1, channels=1)
    assert torch.autograd.gradcheck(lambda f: sum(reconstruction_terms(f, real).values()), fake)


def test_memory_format_does_not_matter() -> None:
    fake, real = images(16, 1), images(16, 2)
    last = reconstruction_terms(fake.contiguous(memory_format=torch.channels_last), real)
    for name, value in reconstruction_terms(fake, real).items():
        torch.testing.assert_close(last[name], value, rtol=1e-13, atol=0)


def test_levels_and_weights_are_settings() -> None:
    """Against the naive pyramid of another depth, level by level."""
    fake, real = images(16, 1), images(16, 2)
    for weights in ([1.0], [0.5, 2.0], [1.0, 1.0, 1.0, 1.0]):
        expected = 0.0
        for plane in (real - fake).flatten(0, 1):
            bands = naive_pyramid(plane, len(weights) - 1)
            expected += sum(w * float(band.abs().sum()) for w, band in zip(weights, bands, strict=True))
        found = reconstruction_terms(fake, real, "lap1", weights)["lap1"]
        assert float(found) == pytest.approx(expected / fake.numel(), rel=1e-12)


def test_weights_of_levels_follow_depth_and_size() -> None:
    assert level_weights(32) == [1, 4, 16, 64]
    assert level_weights(32, 1) == [1, 4]
    assert level_weights(32, None, (1, 1, 1, 1)) == [1, 1, 1, 1]
    with pytest.raises(UserError, match=r"--search\.pyramid-levels: 16 px can be halved 4 times, so not 5 bands"):
        level_weights(16, 5)
    with pytest.raises(UserError, match=r"--search\.pyramid-weights has 2 values, but 3 bands .* need 4"):
        level_weights(16, 3, (1, 1))
