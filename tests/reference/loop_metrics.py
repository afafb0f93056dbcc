"""Metrics written as loops and textbook formulas, and through scipy: what the package's versions are held to."""

from __future__ import annotations

import numpy as np
import scipy.linalg


def frechet_sqrtm(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """The formula of the FID paper with scipy's general matrix square root."""
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * np.real(root)))


def mmd2_loop(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² with the cubic kernel, one pair at a time."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    def within(points: np.ndarray) -> float:
        n = len(points)
        return sum(kernel(points[i], points[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    across = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


def inception_score_loop(logits: np.ndarray, num_splits: int) -> tuple[float, float]:
    """exp of the mean KL divergence, split by split, sample by sample."""
    scores = []
    for split in range(num_splits):
        part = logits[len(logits) * split // num_splits : len(logits) * (split + 1) // num_splits]
        p = np.exp(part - part.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        marginal = p.mean(0)
        divergences = [sum(v * np.log(v / m) for v, m in zip(row, marginal, strict=True) if v > 0) for row in p]
        scores.append(np.exp(np.mean(divergences)))
    return float(np.mean(scores)), float(np.std(scores))


def precision_recall_loop(fake: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float]:
    """Balls around points, one at a time."""

    def radii(points: np.ndarray) -> list[float]:
        return [
            sorted(float(np.linalg.norm(p - q)) for j, q in enumerate(points) if j != i)[k - 1]
            for i, p in enumerate(points)
        ]

    def covered(points: np.ndarray, centres: np.ndarray) -> float:
        reach = radii(centres)
        return float(
            np.mean([any(np.linalg.norm(p - c) <= r for c, r in zip(centres, reach, strict=True)) for p in points])
        )

    return covered(fake, real), covered(real, fake)
