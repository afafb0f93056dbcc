"""Time of the Fréchet distance from given statistics: ours, torchmetrics' eigenvalues, scipy's matrix root.

    degas experiment frechet-time [--features 2048] [--rounds 3] [--out FILE]

Covariances of 3·D samples with a spectrum like a network's (eigenvalues fall as 1/k) and different means. Rounds are
interleaved and medians reported, with the value of each. The second part has fewer samples than features.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from degas.evaluation.metrics import frechet_distance

Parts = tuple[Tensor, Tensor, Tensor, Tensor]


def gaussians(num_features: int, num_samples: int, seed: int = 0) -> Parts:
    """Mean and covariance of two sets of samples, float64."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, num_features + 1, dtype=torch.float64).rsqrt()
    parts: list[Tensor] = []
    for offset in (0.0, 0.05):
        mixing = torch.linalg.qr(torch.randn(num_features, num_features, generator=generator).double()).Q
        rows = torch.randn(num_samples, num_features, generator=generator).double() * scale @ mixing + offset
        parts += [rows.mean(0), rows.T.cov()]
    return parts[0], parts[1], parts[2], parts[3]


def with_scipy(*parts: Tensor) -> float:
    """The formula as in most codes."""
    mean_a, cov_a, mean_b, cov_b = (part.numpy() for part in parts)
    root = np.real(scipy.linalg.sqrtm(cov_a @ cov_b))
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


def measure(parts: Parts, rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds and value of each method, with interleaved rounds."""
    ways: dict[str, Callable[..., float]] = {
        "ours": frechet_distance,
        "torchmetrics": lambda *p: float(_compute_fid(*p)),
        "scipy_sqrtm": with_scipy,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            values[name] = way(*parts)
            seconds[name].append(time.perf_counter() - start)
    return {name: {"seconds": statistics.median(seconds[name]), "value": values[name]} for name in ways}


def time_frechet(num_features: int, rounds: int) -> dict[str, Any]:
    """Seconds and values of each method, for more and for fewer samples than features; `speedup`: scipy's over ours."""
    result: dict[str, Any] = {"features": num_features, "threads": torch.get_num_threads(), "rounds": rounds}
    for name, num_samples in (("full_rank", 3 * num_features), ("rank_deficient", num_features // 2)):
        row = measure(gaussians(num_features, num_samples), rounds)
        speedup = row["scipy_sqrtm"]["seconds"] / row["ours"]["seconds"]
        result[name] = {**row, "speedup": speedup}
    return result
