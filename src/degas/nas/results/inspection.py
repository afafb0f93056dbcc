"""What `degenerate` judges, gathered from a search that has ended: its latents, a few reconstructions, its logs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from degas.data.loader import Batches
from degas.data.pixels import to_symmetric
from degas.nas.alpha.step import alpha_rate
from degas.nas.decide.perturbation import values_that_decided
from degas.nas.glo.glo import Glo, first_latents
from degas.nas.results.degenerate import (
    Mixing,
    collapsed,
    dead_latents,
    parameter_free,
    scale_takeover,
    still_alpha,
    without_residuals,
)
from degas.nets.normalisation import frozen_buffers
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.settings.sections import MEASURING
from degas.space.graph import Edge, SearchSpace
from degas.space.pruning import Alpha

NUM_COMPARED = 64  # images whose reconstructions are compared
SAME_ROW = 1e-6  # a latent that moved by less has not moved


@dataclass(frozen=True)
class Signs:
    """Mean variance over images of originals and of reconstructions, and latents that stayed where they were."""

    real_variance: float
    fake_variance: float
    num_dead: int
    num_latents: int


@torch.no_grad()
def read_signs(glo: Glo, batches: Batches, num_steps: int) -> Signs:
    """Look at the network as it is, by batch statistics; no buffer moves, and nothing depends on it later."""
    index = np.linspace(0, glo.images.num_images - 1, min(NUM_COMPARED, glo.images.num_images)).round().astype(int)
    latents = glo.table.rows[torch.from_numpy(index).to(glo.engine.device)]
    with frozen_buffers(glo.network), glo.engine.autocast():
        fake_images = glo.network(latents).float()  # (n, C, H, W)
    real_images = to_symmetric(torch.from_numpy(glo.images.images[index]))
    return Signs(_variance(real_images), _variance(fake_images), *_still_latents(glo, batches, num_steps))


def _variance(images: Tensor) -> float:
    """Mean over pixels of the variance over images (N, C, H, W)."""
    return float(images.double().var(dim=0, correction=0).mean())


def _still_latents(glo: Glo, batches: Batches, num_steps: int) -> tuple[int, int]:
    """(Latents that were visited and stayed, latents that were visited)."""
    visited = torch.zeros(len(glo.table.rows), dtype=torch.bool, device=glo.engine.device)
    if glo.table.num_steps is not None and glo.table.second_moment is not None:
        visited = glo.table.num_steps > 0
        still = (glo.table.second_moment == 0).all(dim=1)
    else:
        for step in range(min(num_steps, batches.steps_per_epoch)):  # one epoch tells who is visited at all
            visited[batches(step).index.to(visited.device)] = True
        start = first_latents(glo.images, glo.settings.latent_init, glo.table.rows.shape[1], glo.seed)
        still = (glo.table.rows - start.to(visited.device)).norm(dim=1) < SAME_ROW
    return int((still & visited).sum()), int(visited.sum())


def write_degenerate(
    folder: StageFolder,
    glo: Glo,
    signs: Signs,
    edges: Sequence[Edge],
    space: SearchSpace,
    *,
    alphas: Sequence[Alpha],
    num_steps: int,
) -> None:
    """degenerate.json of a search of `num_steps` steps that kept `edges`; its logs are in `folder`.

    `alphas`: α at the start and after each epoch.
    """
    settings, mixing = glo.settings, [_mixing(record) for record in read_jsonl(folder.path / "mixing.jsonl")]
    rate = alpha_rate(settings, glo.total_steps)
    by_losses = settings.prune in MEASURING  # they know the size of the kernels, so `scale_takeover` is no matter
    pruning = json.loads((folder.path / "pruning.json").read_bytes())
    values = values_that_decided(pruning, alphas[-1])
    found = [
        parameter_free(edges, space),
        without_residuals(values, edges, space, by_losses=by_losses),
        still_alpha(alphas[0], alphas[-1], rate=rate, num_steps=num_steps, by_losses=by_losses)
        if settings.train_alpha
        else None,
        collapsed(signs.real_variance, signs.fake_variance, num_steps=num_steps),
        dead_latents(signs.num_dead, signs.num_latents, _gradients(read_jsonl(folder.path / "metrics.jsonl"))),
        scale_takeover(edges, mixing[0], mixing[-1])
        if mixing and not by_losses
        else None,  # a measured loss knows the kernels' size
    ]
    folder.write_json("degenerate.json", [finding.as_json() for finding in found if finding is not None])


def _mixing(record: Mapping[str, Any]) -> Mixing:
    return {name: value for name, value in record.items() if isinstance(value, dict)}


def _gradients(metrics: Sequence[Mapping[str, Any]]) -> list[float]:
    """Mean logged norm of a latent's gradient, epoch by epoch."""
    by_epoch: dict[int, list[float]] = {}
    for record in metrics:
        by_epoch.setdefault(record["epoch"], []).append(record["latent_gradient_norm"])
    return [statistics.fmean(norms) for norms in by_epoch.values()]
