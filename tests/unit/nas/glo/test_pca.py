from __future__ import annotations

import numpy as np
import pytest
import torch

from degas.nas.glo import pca
from degas.nas.glo.pca import whitened_scores, whitened_scores_on


def scores(flat: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    return whitened_scores(flat, size, torch.Generator().manual_seed(seed))


def data(n: int, values: int, seed: int = 0) -> np.ndarray:
    """Correlated bytes with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((values, values)) * 40 * 0.9 ** np.arange(values)[:, None]
    return np.clip(128 + rng.standard_normal((n, values)) @ mixing, 0, 255).astype(np.uint8)


def test_scores_are_white_and_are_the_principal_ones() -> None:
    flat = data(300, 24)
    ours = scores(flat, 8)
    np.testing.assert_allclose(ours.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(ours.T @ ours / len(flat), np.eye(8), atol=1e-10)
    left, _, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    overlap = np.abs(left[:, :8].T @ ours) / np.sqrt(len(flat))
    np.testing.assert_allclose(overlap, np.eye(8), atol=1e-8)


def test_subspace_iteration_agrees_with_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = data(400, 80)
    exact = scores(flat, 6)
    monkeypatch.setattr(pca, "EXACT_SIZE", 10)
    monkeypatch.setattr(pca, "CHUNK_VALUES", 64 * 80)
    np.testing.assert_allclose(scores(flat, 6), exact, atol=1e-5)


@pytest.mark.parametrize("exact_size", [1, 1024])
def test_no_more_scores_than_the_rank(exact_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca, "EXACT_SIZE", exact_size)
    flat = np.zeros((50, 60), dtype=np.uint8)
    flat[:, 3] = np.arange(50)
    flat[:, 9] = np.arange(50) ** 2 % 251
    assert scores(flat, 12).shape == (50, 2)
    assert scores(np.full((5, 60), 7, dtype=np.uint8), 12).shape == (5, 0)
    assert scores(data(4, 60), 12).shape == (4, 3)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(("exact_size", "chunk_values"), [(1024, 1 << 24), (10, 1 << 24), (1024, 7 * 80), (10, 7 * 80)])
def test_on_a_device_the_scores_are_the_same_to_rounding(
    exact_size: int, chunk_values: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one chunk and in many, by the whole covariance and by subspace iteration."""
    monkeypatch.setattr(pca, "EXACT_SIZE", exact_size)
    monkeypatch.setattr(pca, "CHUNK_VALUES", chunk_values)
    flat = data(400, 80)
    flat.flags.writeable = False  # as mapped from a disk
    ours = whitened_scores_on(torch.device(device), flat, 6, torch.Generator().manual_seed(0))
    assert ours.device.type == device
    np.testing.assert_allclose(ours.cpu().numpy(), scores(flat, 6), atol=1e-9)


@pytest.mark.parametrize("exact_size", [1, 1024])
def test_on_a_device_there_are_no_more_scores_than_the_rank(exact_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca, "EXACT_SIZE", exact_size)
    flat = np.zeros((50, 60), dtype=np.uint8)
    flat[:, 3] = np.arange(50)
    for images, kept in ((flat, 1), (np.full((5, 60), 7, dtype=np.uint8), 0), (data(4, 60), 3)):
        ours = whitened_scores_on(torch.device("cpu"), images, 12, torch.Generator().manual_seed(0))
        assert ours.shape == (len(images), kept)
