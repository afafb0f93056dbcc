"""Generative latent optimisation (Bojanowski et al. 2018): a network and one latent per image, fitted together.

`Glo` is one training state, used by the search on its supernet and by `standalone` on a single architecture, so that
the two are trained by the same losses, latents and optimisers. Paper §3.2, docs/equations.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from degas.data.image_set import ImageSet
from degas.data.loader import Batch, Batches
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.nas.glo.latents import LatentTable, pca_latents, random_latents
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nets.normalisation import frozen_buffers, recalibrate
from degas.runtime.distributed import Engine
from degas.runtime.rng import torch_generator
from degas.runtime.transfer import to_device
from degas.settings.sections import SearchSettings

Terms = Callable[[Tensor, Tensor], dict[str, Tensor]]  # fakes and reals (B, C, H, W) in [−1, 1] → scalars by name
RECALIBRATION_BATCHES = 20  # of latents, before anything is shown or measured in evaluation mode


class Glo:
    """A network latents (B, d) → images (B, C, H, W), its weights' optimiser, and a latent for each image.

    Args:
        network: on any device; moved to the engine's, in channels-last memory.
        weights: its parameters to fit (the supernet's without α).
        images, settings: what to fit, and how.
        noise_size: d.
        total_steps: length of the cosine along which both rates fall.
    """

    def __init__(
        self,
        network: nn.Module,
        weights: Iterable[nn.Parameter],
        images: ImageSet,
        settings: SearchSettings,
        *,
        noise_size: int,
        total_steps: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self.images, self.settings, self.engine, self.seed = images, settings, engine, seed
        self.total_steps = total_steps
        self.further_terms: Terms | None = None  # of the loss, for measurements
        self.network = network.to(engine.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weights = list(weights)
        self.optimizer = weight_optimizer(self.weights, settings)
        start = first_latents(images, settings.latent_init, noise_size, seed)
        start = engine.broadcast(start.to(engine.device))  # machines may round differently
        self.table = LatentTable(start, settings.latent_optimizer)

    def rate_share(self, step: int) -> float:
        """The cosine from 1 to weight_lr_min/weight_lr, which the rates of weights and latents follow alike."""
        last = min(1.0, self.settings.weight_lr_min / self.settings.weight_lr)
        return last + 0.5 * (1.0 - last) * (1.0 + math.cos(math.pi * step / self.total_steps))

    def loss_terms(self, latents: Tensor, images: Tensor) -> dict[str, Tensor]:
        """The reconstruction terms of latents (B, d) against uint8 images (B, C, H, W), outside autocast."""
        with self.engine.autocast():
            fake_images = self.network(latents)
        return self.terms_of(fake_images, images)

    def terms_of(self, fake_images: Tensor, images: Tensor) -> dict[str, Tensor]:
        """The reconstruction terms of images (B, C, H, W) in [−1, 1] against uint8 ones."""
        real_images = to_symmetric(to_device(images, self.engine.device))
        terms = reconstruction_terms(fake_images.float(), real_images, self.settings.loss)
        further = {} if self.further_terms is None else self.further_terms(fake_images.float(), real_images)
        return {**terms, **further}

    def step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """`move` at the rates of step `step`."""
        return self.move(batch, self.rate_share(step))

    def move(self, batch: Batch, rate_share: float | Tensor) -> dict[str, Tensor]:
        """One update of the weights and of exactly the batch's latents; returns the terms and the gradients' norms.

        `rate_share`: that of the rates, 0 to 1. Nothing here waits for the device: the values are tensors.
        """
        self.optimizer.zero_grad(set_to_none=True)
        index = to_device(batch.index, self.engine.device)
        latents = self.table.batch(index)  # (B, d)
        terms = self.loss_terms(latents, batch.images)
        torch.stack(list(terms.values())).sum().backward()
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        self.engine.all_reduce_mean(gradients)
        norm = nn.utils.clip_grad_norm_(self.weights, self.settings.clip_norm or math.inf)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.weight_lr * rate_share
        self.optimizer.step()
        latent_norm = self._step_latents(index, latents, self.settings.latent_lr * rate_share)
        found = {name: term.detach() for name, term in terms.items()}
        return {**found, "gradient_norm": norm, "latent_gradient_norm": latent_norm}

    def step_latents_only(self, batch: Batch, step: int) -> None:
        """One update of the batch's latents by a frozen network, whose batch norm buffers hold still too."""
        index = to_device(batch.index, self.engine.device)
        latents = self.table.batch(index)
        with frozen_buffers(self.network):
            terms = self.loss_terms(latents, batch.images)
        torch.stack(list(terms.values())).sum().backward(inputs=[latents])
        self._step_latents(index, latents, self.settings.latent_lr * self.rate_share(step))

    def _step_latents(self, index: Tensor, latents: Tensor, lr: float | Tensor) -> Tensor:
        """Every rank applies every rank's rows, so that all hold the same table. Returns the mean row gradient norm."""
        assert latents.grad is not None
        gradient = self.engine.gather(latents.grad / self.engine.num_ranks)
        self.table.step(self.engine.gather(index), gradient, lr)
        return gradient.norm(dim=1).mean()

    def recalibrate(self, rows: np.ndarray | None = None) -> None:
        """Running statistics from latents: they lag behind weights and α, and evaluation mode depends on them.

        `rows` (n,): take the latents of these images only.
        """
        purpose = "search recalibration"
        batches = Batches(self.images, self.settings.batch_images, seed=self.seed, purpose=purpose, rows=rows)
        recalibrate(
            self.network,
            lambda k: self.network(self.table.rows[to_device(batches(k).index, self.engine.device)]),
            RECALIBRATION_BATCHES,
        )

    @torch.no_grad()
    def mean_loss(self, rows: np.ndarray | None = None) -> float:
        """ℓ over all images (or `rows`, (n,)) and their latents, in evaluation mode: it does not depend on batches."""
        self.network.eval()
        rows = np.arange(self.images.num_images) if rows is None else rows
        total, size = 0.0, self.settings.batch_images
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            images = torch.from_numpy(self.images.images[part])
            terms = self.loss_terms(self.table.rows[torch.from_numpy(part).to(self.engine.device)], images)
            total += float(sum(terms.values())) * len(images)
        self.network.train()
        return total / len(rows)

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "latents": self.table.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.table.load_state_dict(state["latents"])


def weight_optimizer(weights: list[nn.Parameter], settings: SearchSettings) -> torch.optim.Optimizer:
    lr, decay = settings.weight_lr, settings.weight_decay
    if settings.weight_optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True, capturable=True)
    return torch.optim.SGD(weights, lr=lr, momentum=settings.weight_momentum, weight_decay=decay, fused=True)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`optimizer.load_state_dict`, with each moment in its parameter's memory format: fused kernels rely on that."""
    optimizer.load_state_dict(state)
    for parameter, its_state in optimizer.state.items():
        for name, value in its_state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                its_state[name] = torch.empty_like(parameter).copy_(value)


def first_latents(images: ImageSet, init: str, size: int, seed: int) -> Tensor:
    """(N, size) float32 on the CPU: `pca` or `random`."""
    generator = torch_generator(seed, "latents")
    if init == "pca":
        return pca_latents(images.images, size, generator)
    return random_latents(images.num_images, size, generator)


@torch.no_grad()
def mean_image_loss(images: ImageSet, settings: SearchSettings, device: torch.device) -> float:
    """ℓ over all images of the best constant guess, their mean image: what a fit that learned nothing reaches."""
    mean = torch.from_numpy(images.images.mean(axis=0, dtype="float64") / 127.5 - 1.0).float().to(device)
    total, size = 0.0, 1024
    for start in range(0, images.num_images, size):
        real_images = to_symmetric(torch.from_numpy(images.images[start : start + size].copy()).to(device))
        terms = reconstruction_terms(mean.expand_as(real_images), real_images, settings.loss)
        total += float(sum(terms.values())) * len(real_images)
    return total / images.num_images


class NonFiniteError(UserError):
    """A term or a gradient of a fit is infinite or not a number: which, at which step, and what to try. One line."""


class FiniteWatch:
    """Keeps every step's terms on the device and looks at them together, so that no single step waits for it.

    Raises `NonFiniteError` naming the step and the term that first was not finite.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._seen: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        self._seen.append((step, terms))

    def check(self) -> None:
        if not self._seen:
            return
        named = [(step, name, value) for step, terms in self._seen for name, value in terms.items()]
        self._seen = []
        values = torch.stack([value.detach().float() for _, _, value in named]).tolist()
        for (step, name, _), value in zip(named, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteError(
                    f"{self.what}: {name} is {value} at step {step}; lower --search.weight-lr and --search.latent-lr"
                )
