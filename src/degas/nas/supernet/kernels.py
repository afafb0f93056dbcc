"""The algebra of kernels that makes a mix of convolutions one convolution.

Kernels of convolutions are (C_out, C_in, k, k) with odd k, those of transposed ones (C_in, C_out, k, k) with even k.
Both are centred: the image keeps its size, or becomes exactly `stride` times as large.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def centred(kernel: Tensor, size: int) -> Tensor:
    """A kernel (·, ·, k, k) padded with zeros to `size` per side."""
    margin = (size - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin, margin, margin, margin)) if margin else kernel


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """A convolution that keeps H and W: kernel (C_out, C_in, k, k), odd k."""
    return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)


class KernelMix:
    """Σ_b w_b · L_b(K_b) as one matrix product, with L_b linear in the taps and equal for all channels.

    With the taps of all kernels side by side, (C, C, T), and L as a (T, k²) matrix, the mix is taps @ (w · L): a few
    calls forward and backward, instead of hundreds for scaling, padding and adding.

    Args:
        maps: for each b, L_b of every unit kernel, (t_b², k_b, k_b); smaller results are centred in the largest.
        positions: for each b, the index of its mixing weight.
    """

    def __init__(self, maps: Sequence[Tensor], positions: Sequence[int]) -> None:
        self.size = max(one.shape[-1] for one in maps)
        owners = [position for one, position in zip(maps, positions, strict=True) for _ in range(len(one))]
        self._taps = torch.cat([centred(one, self.size).flatten(1) for one in maps])  # (T, k²)
        self._owners = torch.tensor(owners)  # (T,)
        self._copies: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def __call__(self, kernels: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Kernels (C, C, t_b, t_b) and mixing weights (K,) → (C, C, k, k). Never in half precision."""
        taps, owners = self._constants(weights.device, weights.dtype)
        with torch.autocast(weights.device.type, enabled=False):
            side_by_side = torch.cat([kernel.flatten(2) for kernel in kernels], dim=2)  # (C, C, T)
            mixed = side_by_side @ (weights[owners][:, None] * taps)
        return mixed.unflatten(2, (self.size, self.size))

    def _constants(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Constants, kept out of the buffers: they are not learned, saved or averaged."""
        if (device, dtype) not in self._copies:
            self._copies[device, dtype] = self._taps.to(device, dtype), self._owners.to(device)
        return self._copies[device, dtype]


def unit_kernels(size: int) -> Tensor:
    """(k², 1, k, k): all kernels with a single 1; a linear map of them gives its matrix."""
    return torch.eye(size * size).view(size * size, 1, size, size)
