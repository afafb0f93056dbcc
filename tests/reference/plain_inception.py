"""Inception-v3 of 2015-12-05 a second time, from the graph's description: plain tables and explicit sums.

Written apart from the package's version: convolutions are gathered patches times a matrix, pools are means and maxima
over gathered patches, batch norm is its formula, the resize is a loop over pixels. Every layer's output is returned.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]
# The stem: (name, stride, padded), or the kernel-3 stride-2 max pool.
STEM = [("Conv2d_1a_3x3", 2, False), ("Conv2d_2a_3x3", 1, False), ("Conv2d_2b_3x3", 1, True), "pool"]
STEM += [("Conv2d_3b_1x1", 1, True), ("Conv2d_4a_3x3", 1, False), "pool"]
# A mixed block is a list of branches in the order of concatenation; a branch is a chain of steps, "+" splits the end.
A = [["branch1x1"], ["branch5x5_1", "branch5x5_2"]]
A += [["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], ["mean", "branch_pool"]]
B = [["branch3x3/2"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3/2"], ["max/2"]]
C = [["branch1x1"], ["branch7x7_1", "branch7x7_2", "branch7x7_3"]]
C += [[f"branch7x7dbl_{i}" for i in range(1, 6)], ["mean", "branch_pool"]]
D = [["branch3x3_1", "branch3x3_2/2"]]
D += [["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4/2"], ["max/2"]]
E = [["branch1x1"], ["branch3x3_1", "branch3x3_2a+branch3x3_2b"]]
E += [["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a+branch3x3dbl_3b"], ["mean", "branch_pool"]]
LAST = [*E[:3], ["max", "branch_pool"]]
MIXED = {"5b": A, "5c": A, "5d": A, "6a": B, "6b": C, "6c": C, "6d": C, "6e": C, "7a": D, "7b": E, "7c": LAST}


def patches(x: Tensor, kernel: tuple[int, int], stride: int, pad: tuple[int, int], fill: float) -> Tensor:
    """(N, C, H, W) → (N, C, H', W', kh, kw)."""
    n, c, h, w = x.shape
    wide = torch.full((n, c, h + 2 * pad[0], w + 2 * pad[1]), fill, dtype=x.dtype)
    wide[:, :, pad[0] : pad[0] + h, pad[1] : pad[1] + w] = x
    return wide.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)


def conv_bn_relu(x: Tensor, state: State, name: str, stride: int, padded: bool) -> Tensor:
    weight = state[f"{name}.conv.weight"]
    kernel = (weight.shape[2], weight.shape[3])
    pad = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
    y = torch.einsum("nchwij,ocij->nohw", patches(x, kernel, stride, pad, 0.0), weight)
    mean, var = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
    scale = state[f"{name}.bn.weight"] / torch.sqrt(var + 0.001)
    y = (y - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bn.bias"][:, None, None]
    return torch.where(y > 0, y, torch.zeros_like(y))


def mean_pool(x: Tensor) -> Tensor:
    """3×3, stride 1; the sum over what exists, divided by how much exists."""
    ones = torch.ones_like(x)
    total = patches(x, (3, 3), 1, (1, 1), 0.0).sum(dim=(4, 5))
    return total / patches(ones, (3, 3), 1, (1, 1), 0.0).sum(dim=(4, 5))


def max_pool(x: Tensor, stride: int) -> Tensor:
    pad = (1, 1) if stride == 1 else (0, 0)
    return patches(x, (3, 3), stride, pad, float("-inf")).amax(dim=(4, 5))


def step(x: Tensor, state: State, block: str, word: str) -> Tensor:
    if "+" in word:
        return torch.cat([step(x, state, block, part) for part in word.split("+")], dim=1)
    name, _, stride = word.partition("/")
    if name == "mean":
        return mean_pool(x)
    if name == "max":
        return max_pool(x, int(stride or 1))
    return conv_bn_relu(x, state, f"{block}.{name}", int(stride or 1), padded=not stride)


def run(x: Tensor, state: State) -> dict[str, Tensor]:
    """Outputs by layer name for pixels (N, 3, S, S), and `features`, `logits` (without bias); float64."""
    state = {name: tensor.double() for name, tensor in state.items()}
    x, outputs = x.double(), {}
    for layer in STEM:
        if layer == "pool":
            x = max_pool(x, 2)
        else:
            name, stride, padded = layer
            x = outputs[name] = conv_bn_relu(x, state, name, stride, padded)
    for key, branches in MIXED.items():
        parts = []
        for branch in branches:
            y = x
            for word in branch:
                y = step(y, state, f"Mixed_{key}", word)
            parts.append(y)
        x = outputs[f"Mixed_{key}"] = torch.cat(parts, dim=1)
    outputs["features"] = x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3])
    outputs["logits"] = torch.einsum("nd,kd->nk", outputs["features"], state["fc.weight"])
    return outputs


def resize_loop(image: np.ndarray, size: int) -> np.ndarray:
    """TensorFlow 1's kernel, pixel by pixel, in its float32 steps: (H, W) → (size, size)."""
    height, width = image.shape
    row_scale, column_scale = np.float32(height / size), np.float32(width / size)
    out = np.zeros((size, size), np.float32)
    for i in range(size):
        y = np.float32(i) * row_scale
        y0 = int(np.floor(y))
        y1, dy = min(y0 + 1, height - 1), y - np.float32(y0)
        for j in range(size):
            x = np.float32(j) * column_scale
            x0 = int(np.floor(x))
            x1, dx = min(x0 + 1, width - 1), x - np.float32(x0)
            top = image[y0, x0] + (image[y0, x1] - image[y0, x0]) * dx
            bottom = image[y1, x0] + (image[y1, x1] - image[y1, x0]) * dx
            out[i, j] = top + (bottom - top) * dy
    return out


def random_state(shapes: dict[str, torch.Size], seed: int = 0) -> State:
    """Weights by name, each from its own draw, scaled so that activations neither vanish nor blow up."""
    state = {}
    for index, (name, shape) in enumerate(sorted(shapes.items())):
        rng = np.random.default_rng([seed, index])
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        values = rng.standard_normal(shape)
        if name.endswith("conv.weight"):
            values *= np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(("running_var", "bn.weight")):
            values = 1 + 0.2 * np.abs(values)
        else:
            values *= 0.1 if "bn" in name else 0.05
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state
