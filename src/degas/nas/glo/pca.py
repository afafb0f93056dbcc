"""Whitened principal components of many images, chunk by chunk. Knows nothing of latents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

RANK_SHARE = 1e-10  # a direction with less than this share of the largest variance is rounding, not data
EXACT_SIZE = 1024  # up to this many values per image the whole covariance is diagonalised: about a second
OVERSAMPLING = 32  # additional directions in the subspace iteration, and its rounds (Halko et al. 2011)
NUM_ROUNDS = 4
CHUNK_VALUES = 1 << 24  # values of a chunk: 128 MiB in float64


def whitened_scores(flat: np.ndarray, size: int, generator: torch.Generator, *, whiten: bool = True) -> np.ndarray:
    """(N, k ≤ size) float64: the scores of a uint8 matrix (N, P), uncorrelated, of mean 0 and variance 1.

    Without `whiten` each keeps its own variance, in grey levels.

    k is the smaller of `size` and the rank of the data. Above EXACT_SIZE values per image the leading directions come
    from subspace iteration: directions are approximate, but scores are exactly white. Signs are fixed (a direction's
    largest entry is positive).
    """
    mean = flat.mean(axis=0, dtype=np.float64)  # (P,)
    exact = flat.shape[1] <= EXACT_SIZE
    basis = np.eye(flat.shape[1]) if exact else _leading_subspace(flat, mean, size + OVERSAMPLING, generator)
    inner = basis.T @ _covariance_times(flat, mean, basis)  # (q, q), the covariance inside the basis
    variances, rotation = np.linalg.eigh((inner + inner.T) / 2)  # ascending; eigenvectors are the columns
    kept = min(size, len(flat) - 1, int((variances > RANK_SHARE * variances[-1]).sum()))
    directions = basis @ rotation[:, ::-1][:, :kept]  # (P, k)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0, keepdims=True), axis=0)
    whitening = directions * np.sign(largest)
    if whiten:
        whitening = whitening / np.sqrt(variances[::-1][:kept])
    return np.concatenate([chunk @ whitening for chunk in _centred_chunks(flat, mean)])


def _leading_subspace(flat: np.ndarray, mean: np.ndarray, count: int, generator: torch.Generator) -> np.ndarray:
    """(P, q) orthonormal columns that nearly span the q = min(count, P) leading principal directions."""
    shape = (flat.shape[1], min(count, flat.shape[1]))
    basis = torch.randn(shape, generator=generator, dtype=torch.float64).numpy()
    for _ in range(NUM_ROUNDS):
        basis = np.linalg.qr(_covariance_times(flat, mean, np.linalg.qr(basis)[0]))[0]
    return basis


def _covariance_times(flat: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """covariance (P, P) · matrix (P, q), without forming the covariance if q < P."""
    total = np.zeros_like(matrix)
    for chunk in _centred_chunks(flat, mean):
        total += chunk.T @ (chunk @ matrix) if matrix.shape[1] < matrix.shape[0] else chunk.T @ chunk @ matrix
    return total / len(flat)


def _centred_chunks(flat: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, CHUNK_VALUES // flat.shape[1])
    return (flat[start : start + rows] - mean for start in range(0, len(flat), rows))


# ---------------------------------------------------------------------------------------------------- on a device


def whitened_scores_on(
    device: torch.device, flat: np.ndarray, size: int, generator: torch.Generator, *, whiten: bool = True
) -> Tensor:
    """`whitened_scores` by the same steps on `device`; agrees to rounding, and repeats exactly only on one device."""
    chunks = _Chunks(flat, device)
    num_values = flat.shape[1]
    identity = torch.eye(num_values, dtype=torch.float64, device=device)
    basis = identity if num_values <= EXACT_SIZE else _leading_subspace_on(chunks, size + OVERSAMPLING, generator)
    inner = basis.T @ chunks.covariance_times(basis)  # (q, q)
    variances, rotation = torch.linalg.eigh((inner + inner.T) / 2)
    kept = min(size, len(flat) - 1, int((variances > RANK_SHARE * variances[-1]).sum()))
    directions = basis @ rotation.flip(1)[:, :kept]  # (P, k)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    whitening = directions * largest.sign()
    if whiten:
        whitening = whitening / variances.flip(0)[:kept].sqrt()
    return torch.cat([chunk @ whitening for chunk in chunks.centred()])


def _leading_subspace_on(chunks: _Chunks, count: int, generator: torch.Generator) -> Tensor:
    shape = (len(chunks.mean), min(count, len(chunks.mean)))
    basis = torch.randn(shape, generator=generator, dtype=torch.float64).to(chunks.mean.device)
    for _ in range(NUM_ROUNDS):
        basis = torch.linalg.qr(chunks.covariance_times(torch.linalg.qr(basis)[0]))[0]
    return basis


class _Chunks:
    """A uint8 matrix (N, P) on the host, of which chunks of rows go to a device as float64."""

    def __init__(self, flat: np.ndarray, device: torch.device) -> None:
        self.flat, self.device = flat, device
        total = torch.zeros(flat.shape[1], dtype=torch.float64, device=device)
        for chunk in self._rows():
            total += chunk.sum(0)
        self.mean = total / len(flat)  # (P,)

    def centred(self) -> Iterator[Tensor]:
        return (chunk - self.mean for chunk in self._rows())

    def covariance_times(self, matrix: Tensor) -> Tensor:
        """covariance (P, P) · matrix (P, q), without forming the covariance if q < P."""
        total = torch.zeros_like(matrix)
        for chunk in self.centred():
            total += chunk.T @ (chunk @ matrix) if matrix.shape[1] < matrix.shape[0] else chunk.T @ chunk @ matrix
        return total / len(self.flat)

    def _rows(self) -> Iterator[Tensor]:
        num_rows = max(1, CHUNK_VALUES // self.flat.shape[1])
        for start in range(0, len(self.flat), num_rows):
            rows = np.array(self.flat[start : start + num_rows])  # a copy: memory maps are read-only
            yield torch.from_numpy(rows).to(self.device).double()
