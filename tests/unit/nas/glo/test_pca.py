from __future__ import annotations

import numpy as np
import pytest
import torch

from degas.nas.glo import pca
from degas.nas.glo.pca import whitened_scores


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
