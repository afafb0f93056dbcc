"""Batch normalisation for the search: biased running variance, optional labels, buffers that can be frozen.

The running variance is always biased (divides by N, not N − 1), because nearest up-sampling commutes only with biased
statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degas.errors import UserError

ONE_VALUE = "one image of 1×1 pixels has no batch statistics; take two images or more at a time, or a base size above 1"


class BatchNorm(nn.Module):
    """Batch normalisation over (N, H, W) of a (N, C, H, W) input; `labels` are accepted and ignored.

    Training mode normalises with the batch's mean and biased variance, and moves the running statistics towards them
    by `momentum`, unless `update_buffers` is False. Evaluation mode normalises with the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, affine: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.update_buffers = True
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.normalise(x, self.weight, self.bias)

    def normalise(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, weight, bias, False, 0.0, self.eps)
        if x.numel() == x.shape[1]:
            raise UserError(ONE_VALUE)
        if not self.update_buffers:
            return F.batch_norm(x, None, None, weight, bias, True, 0.0, self.eps)
        count = x.numel() // x.shape[1]
        mean, unbiased = torch.zeros_like(self.running_mean), torch.ones_like(self.running_var)
        normalised = F.batch_norm(x, mean, unbiased, weight, bias, True, 1.0, self.eps)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased * ((count - 1) / count), self.momentum)
        return normalised


class ConditionalBatchNorm(BatchNorm):
    """Batch normalisation whose scale and shift are looked up by label: labels (N,) in 0 … num_classes − 1.

    CT-GAN's supervised generator uses it for every batch norm except the last.
    """

    def __init__(self, num_features: int, num_classes: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__(num_features, affine=False, momentum=momentum, eps=eps)
        self.class_weight = nn.Parameter(torch.ones(num_classes, num_features))
        self.class_bias = nn.Parameter(torch.zeros(num_classes, num_features))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            raise ValueError("a conditional batch norm needs labels")
        scale = self.class_weight[labels][:, :, None, None]  # (N, C, 1, 1)
        shift = self.class_bias[labels][:, :, None, None]
        return self.normalise(x, None, None) * scale + shift


def make_norm(width: int, num_classes: int = 0, affine: bool = True) -> nn.Module:
    """The batch norm inside a generator's operations: conditional if there are classes."""
    return ConditionalBatchNorm(width, num_classes) if num_classes else BatchNorm(width, affine=affine)


def batch_norms(module: nn.Module) -> list[Any]:
    """The batch norms in a module, ours and torch's."""
    return [m for m in module.modules() if isinstance(m, (BatchNorm, nn.modules.batchnorm._BatchNorm))]


@contextmanager
def frozen_buffers(module: nn.Module) -> Iterator[None]:
    """Inside the block, forward passes in training mode do not change running statistics."""
    norms = batch_norms(module)
    switches = [(norm, "update_buffers" if isinstance(norm, BatchNorm) else "track_running_stats") for norm in norms]
    on = [(norm, switch) for norm, switch in switches if getattr(norm, switch)]
    for norm, switch in on:
        setattr(norm, switch, False)
    try:
        yield
    finally:
        for norm, switch in on:
            setattr(norm, switch, True)


@torch.no_grad()
def recalibrate(module: nn.Module, forward: Callable[[int], object], num_batches: int = 20) -> None:
    """Replace the running statistics by their mean over `num_batches` forward passes in training mode.

    `forward(k)` must run `module` on batch k. Momentum 1/(k+1) for the k-th batch makes the running value the mean of
    all batches so far. Without this, running statistics lag behind changing weights and α.
    """
    norms = batch_norms(module)
    before = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.train()
    try:
        for k in range(num_batches):
            for norm in norms:
                norm.momentum = 1.0 / (k + 1)
            forward(k)
    finally:
        for norm, (momentum, training) in zip(norms, before, strict=True):
            norm.momentum, norm.training = momentum, training
