"""FID, KID, Inception Score, precision and recall: pure functions of features, statistics and logits.

Everything is computed in float64 on the CPU. Nothing here handles images, networks or files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from degas.runtime.rng import derive_seed

SURE = 0.9  # least probability of a class at which a classifier counts as sure
BLOCK_ROWS = 1024  # rows of a kernel or distance matrix held at a time
_CONDITION = 1e-9  # a squared Cholesky pivot below this share of the largest means lost rank
_ROUNDING = 1e-9  # a Fréchet distance below 0 by less than this share of its terms is 0


class Kid(NamedTuple):
    """`mean` and `std` (ddof 0) over the subsets; `whole`: the unbiased value of the whole sets."""

    mean: float
    std: float
    whole: float


class Score(NamedTuple):
    """Mean and standard deviation (ddof 0) over the splits."""

    mean: float
    std: float


# --- FID -------------------------------------------------------------------------------------------------------------


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Fréchet distance of two Gaussians: |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½) (Heusel et al. 2017, eq. 6).

    Means (D,), covariances (D, D) symmetric positive semidefinite. Where rounding gives a value just below 0, it is 0.
    """
    mean_a, cov_a, mean_b, cov_b = (t.double().cpu() for t in (mean_a, cov_a, mean_b, cov_b))
    for name, tensor in (("mean", mean_a), ("mean", mean_b), ("covariance", cov_a), ("covariance", cov_b)):
        if not torch.isfinite(tensor).all():
            raise ValueError(f"frechet_distance: a {name} holds a value that is not finite")
    squared = float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace())
    distance = squared - 2 * trace_sqrt_product(cov_a, cov_b)
    return 0.0 if -_ROUNDING * squared < distance < 0 else distance


def trace_sqrt_product(cov_a: Tensor, cov_b: Tensor) -> float:
    """tr((A B)^½) for symmetric positive semidefinite A, B (D, D), float64.

    With A = L Lᵀ the eigenvalues of A B are those of the symmetric Lᵀ B L, so one Cholesky factor and one symmetric
    eigenvalue problem replace a general matrix root. If either matrix has lost rank (fewer samples than features),
    the root would amplify rounding noise of the null space. The trace is then the sum of the singular values of Fᵀ G,
    with A = F Fᵀ, B = G Gᵀ and the null spaces removed, which needs no root of noise.
    """
    factor = _cholesky(cov_a)
    if factor is not None and _cholesky(cov_b) is not None:
        return float(torch.linalg.eigvalsh(factor.T @ cov_b @ factor).clamp_min(0).sqrt().sum())
    return float(torch.linalg.svdvals(_thin_factor(cov_a).T @ _thin_factor(cov_b)).sum())


def _cholesky(cov: Tensor) -> Tensor | None:
    """Lower factor, or None if the matrix is (numerically) rank deficient."""
    factor, failed = torch.linalg.cholesky_ex(cov)
    pivots = factor.diagonal().square()
    return None if failed or float(pivots.min()) <= _CONDITION * float(pivots.max()) else factor


def _thin_factor(cov: Tensor) -> Tensor:
    """F (D, r) with F Fᵀ = cov, r its numerical rank."""
    values, vectors = torch.linalg.eigh(cov)
    kept = values > values.abs().max() * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()


# --- KID -------------------------------------------------------------------------------------------------------------


def kernel_distance(
    fake: Tensor, real: Tensor, *, num_subsets: int = 100, subset_images: int = 1000, seed: int = 0
) -> Kid:
    """Kernel Inception Distance: unbiased MMD² with k(x, y) = (x·y/D + 1)³ (Bińkowski et al. 2018).

    Features (M, D), (N, D), at least two rows each. By convention it is the mean over random subsets without
    replacement. A subset takes at most half the smaller set; otherwise all subsets would be equal and the std 0. One
    pass over the kernel in blocks of rows serves all subsets and the whole-set value: with S the 0/1 matrix of subset
    members, a subset's sum is a diagonal entry of S K Sᵀ.
    """
    size = max(2, min(subset_images, min(len(fake), len(real)) // 2))
    if min(len(fake), len(real)) < 2:
        raise ValueError("kernel_distance: needs at least two images on each side")
    rng = np.random.default_rng(seed if seed >= 0 else derive_seed(seed, "kid subsets"))  # numpy takes no negative seed
    members_fake, members_real = (_subsets(len(f), size, num_subsets, rng) for f in (fake, real))
    fake, real = fake.double().cpu(), real.double().cpu()
    fake_sums, fake_whole = _kernel_sums(fake, fake, members_fake, members_fake, drop_diagonal=True)
    real_sums, real_whole = _kernel_sums(real, real, members_real, members_real, drop_diagonal=True)
    cross_sums, cross_whole = _kernel_sums(fake, real, members_fake, members_real, drop_diagonal=False)
    values = (fake_sums + real_sums) / (size * (size - 1)) - 2 * cross_sums / size**2
    m, n = len(fake), len(real)
    whole = fake_whole / (m * (m - 1)) + real_whole / (n * (n - 1)) - 2 * cross_whole / (m * n)
    return Kid(float(values.mean()), float(values.std(correction=0)), whole)


def _subsets(num_rows: int, size: int, num_subsets: int, rng: np.random.Generator) -> Tensor:
    """0/1 matrix (num_subsets, num_rows), float64, with `size` ones per row."""
    members = torch.zeros(num_subsets, num_rows, dtype=torch.float64)
    for row in members:
        row[torch.from_numpy(rng.choice(num_rows, size, replace=False))] = 1
    return members


def _kernel_sums(a: Tensor, b: Tensor, in_a: Tensor, in_b: Tensor, *, drop_diagonal: bool) -> tuple[Tensor, float]:
    """Sum of the kernel over each subset's rows and columns (num_subsets,), and over the whole sets."""
    sums, whole = torch.zeros(len(in_a), dtype=torch.float64), 0.0
    for rows in _row_blocks(len(a)):
        kernel = (a[rows] @ b.T / a.shape[1] + 1) ** 3  # (rows, len(b))
        if drop_diagonal:
            kernel[torch.arange(len(kernel)), torch.arange(rows.start, rows.stop)] = 0
        sums += ((in_a[:, rows] @ kernel) * in_b).sum(dim=1)
        whole += float(kernel.sum())
    return sums, whole


def _row_blocks(num_rows: int) -> Iterator[slice]:
    for start in range(0, num_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, num_rows))


# --- Inception Score -------------------------------------------------------------------------------------------------


class ClassScore:
    """Inception Score (Salimans et al. 2016) of a stream: exp(mean KL(p(y|x) ‖ p(y))) in each of `num_splits` splits.

    Splits are consecutive: split s holds samples ⌊sN/S⌋ … ⌊(s+1)N/S⌋ − 1. Mean and std have ddof 0. Only Σp and
    Σ p·log p of each split are kept, so memory does not grow with N.
    """

    def __init__(self, num_samples: int, num_classes: int, num_splits: int = 10) -> None:
        self.num_splits = min(num_splits, num_samples)
        self.bounds = torch.tensor([num_samples * s // self.num_splits for s in range(self.num_splits + 1)])
        self.sums = torch.zeros(self.num_splits, num_classes, dtype=torch.float64)  # Σ p
        self.negentropy = torch.zeros(self.num_splits, dtype=torch.float64)  # Σ Σ_k p_k log p_k
        self.num_seen, self.num_samples = 0, num_samples

    def update(self, logits: Tensor) -> None:
        """Take the next logits (N, K) of the stream."""
        log_p = logits.double().cpu().log_softmax(dim=1)
        if not torch.isfinite(log_p).all():
            raise ValueError("class score: a logit is not finite")
        splits = torch.bucketize(torch.arange(self.num_seen, self.num_seen + len(logits)), self.bounds[1:], right=True)
        self.sums.index_add_(0, splits, log_p.exp())
        self.negentropy.index_add_(0, splits, (log_p.exp() * log_p).sum(dim=1))
        self.num_seen += len(logits)

    def compute(self) -> Score:
        """Mean and std over the splits; raises `ValueError` unless there were exactly `num_samples` samples."""
        if self.num_seen != self.num_samples:
            raise ValueError(f"class score: got {self.num_seen} samples instead of {self.num_samples}")
        counts = self.bounds.diff().double()
        marginal = self.sums / counts[:, None]
        divergence = self.negentropy / counts - torch.xlogy(marginal, marginal).sum(dim=1)
        scores = divergence.exp()
        return Score(float(scores.mean()), float(scores.std(correction=0)))


def inception_score(logits: Tensor, num_splits: int = 10) -> Score:
    """`ClassScore` of all logits (N, K) at once."""
    score = ClassScore(len(logits), logits.shape[1], num_splits)
    score.update(logits)
    return score.compute()


class Agreement:
    """Share of a stream's samples for which a classifier predicts the intended class (0…1; our choice)."""

    def __init__(self, labels: Tensor) -> None:
        self.labels, self.num_seen, self.num_equal = labels.cpu(), 0, 0

    def update(self, logits: Tensor) -> None:
        """Take the next logits (N, K) of the stream."""
        wanted = self.labels[self.num_seen : self.num_seen + len(logits)]
        self.num_equal += int((logits.cpu().argmax(dim=1) == wanted).sum())
        self.num_seen += len(logits)

    def compute(self) -> float:
        return self.num_equal / self.num_seen


class Confidence:
    """Share of a stream's samples of which a classifier is sure: its largest probability is at least `SURE` (0…1).

    A classifier trained with label smoothing ε over K classes aims at p = (1 − ε)·q + ε/K for its belief q, so that the
    bound on q is (1 − ε)·`SURE` + ε/K on p.

    Our choice. It sees whether samples look like one of the classes, not whether all classes occur, and a classifier is
    also sure of many images that look like none.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing
        self.num_seen, self.num_sure = 0, 0

    def update(self, logits: Tensor) -> None:
        """Take the next logits (N, K) of the stream."""
        bound = (1 - self.label_smoothing) * SURE + self.label_smoothing / logits.shape[1]
        self.num_sure += int((logits.double().softmax(dim=1).amax(dim=1) >= bound).sum())
        self.num_seen += len(logits)

    def compute(self) -> float:
        return self.num_sure / self.num_seen


# --- precision and recall --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrecisionRecall:
    """Both in 0…1."""

    precision: float
    recall: float


def precision_recall(fake: Tensor, real: Tensor, neighbours: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019): shares of each set inside the other's manifold.

    Features (M, D), (N, D). The manifold of a set is the union of balls around its points; each ball reaches to the
    k-th nearest other point. Precision: fakes in the reals' manifold (quality); recall: reals in the fakes' (coverage).
    """
    if min(len(fake), len(real)) <= neighbours:
        raise ValueError(f"precision_recall: needs more than {neighbours} images on each side")
    fake, real = fake.double().cpu(), real.double().cpu()
    fake_radii, real_radii = _squared_radii(fake, neighbours), _squared_radii(real, neighbours)
    return PrecisionRecall(_covered(fake, real, real_radii), _covered(real, fake, fake_radii))


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(M, N): |a|² + |b|² − 2 a·b, set to 0 if it is only rounding, so that equal images have distance 0."""
    norms = a.square().sum(1)[:, None] + b.square().sum(1)[None]
    distances = norms - 2 * a @ b.T
    return distances.masked_fill_(distances < 1e-12 * norms, 0)


def _squared_radii(points: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each point to its k-th nearest *other* point (N,)."""
    radii = []
    for rows in _row_blocks(len(points)):
        distances = _squared_distances(points[rows], points)
        # The point itself is excluded by position: by value, a duplicate image might be excluded instead.
        distances[torch.arange(len(distances)), torch.arange(rows.start, rows.stop)] = math.inf
        radii.append(distances.kthvalue(neighbours, dim=1).values)
    return torch.cat(radii)


def _covered(points: Tensor, centres: Tensor, squared_radii: Tensor) -> float:
    """Share of `points` that lie in at least one ball."""
    inside = sum(
        int((_squared_distances(points[rows], centres) <= squared_radii).any(dim=1).sum())
        for rows in _row_blocks(len(points))
    )
    return inside / len(points)
