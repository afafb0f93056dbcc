"""Generative latent optimisation (Bojanowski et al. 2018): a network and one latent per image, fitted together.

`Glo` is the default search signal (`nas.signal`). Measurements also fit single architectures with it, so that both have
the same losses, latents and optimisers. Paper §3.2, docs/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from degas.data.image_set import ImageSet, area_downsampled
from degas.data.loader import Batch, Batches
from degas.data.pixels import to_symmetric
from degas.nas.glo.advice import advice
from degas.nas.glo.findings import collapsed, dead_latents, mean_gradients, still_latents, variances
from degas.nas.glo.latents import LatentTable
from degas.nas.glo.pictures import save_reconstructions, save_samples
from degas.nas.glo.reconstruction import level_weights, reconstruction_terms
from degas.nas.glo.start import first_latents
from degas.nas.signal import SMALLER_WEIGHT, Finding, Moved, Signal, Terms, register_signal, total
from degas.nets.normalisation import frozen_buffers, recalibrate
from degas.runtime.run_folder import StageFolder
from degas.runtime.transfer import to_device
from degas.settings.sections import SearchSettings

FurtherTerms = Callable[[Tensor, Tensor], Terms]  # fakes and reals (B, C, H, W) in [−1, 1] → scalars by name
RECALIBRATION_BATCHES = 20  # of latents, before showing or measuring anything in evaluation mode
SGD_VISITS = 10  # of a latent, before a fit by SGD is judged (docs/evidence/paper-rate.md)
INDISTINCT = 0.02  # loss of the mean image if images differ by a grey level or two: then there is nothing to learn


@register_signal("glo")
class Glo(Signal):
    """A network from latents (B, d) to images (B, C, H, W), and one latent per image, fitted to reconstruct it.

    `further_terms` adds terms to the loss, for measurements.
    """

    replayable = grows = True
    rates = "--search.weight-lr and --search.latent-lr"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.further_terms: FurtherTerms | None = None
        self.level_weights = weights_of_levels(self.settings, self.images.image_size)
        self._table: LatentTable | None = None
        self._mean_image: float | None = None  # its loss, once it is needed

    @property
    def table(self) -> LatentTable:
        """The latents, made now unless `start` or a checkpoint has made them."""
        if self._table is None:
            # All ranks take those of rank 0: machines may round differently, and one computation is enough.
            start = self.first_rows() if self.engine.is_main else torch.empty(self.images.num_images, self.noise_size)
            start = self.engine.broadcast(start.to(self.engine.device))
            self._table = LatentTable(start, self.settings.latent_optimizer)
        return self._table

    @classmethod
    def check(cls, settings: SearchSettings, image_size: int) -> None:
        weights_of_levels(settings, image_size)

    def start(self) -> None:
        _ = self.table

    def first_rows(self) -> Tensor:
        """The initial latents, (N, d) on the CPU."""
        init, device = self.settings.latent_init, self.engine.device
        return first_latents(self.images, init, self.noise_size, self.seed, device)

    def take_over(self, state: dict[str, Any]) -> None:
        """Begin with the latents of the earlier fit; their moments are new."""
        self._table = LatentTable(state["latents"]["rows"].to(self.engine.device), self.settings.latent_optimizer)

    def inputs(self, index: Tensor) -> Tensor:
        return self.table.rows[to_device(index, self.engine.device)]

    def loss(self, fake_images: Tensor, batch: Batch) -> Terms:
        """The reconstruction terms against the batch's images, uint8 (B, C, H, W), or the means of their squares."""
        real_images = to_symmetric(to_device(batch.images, self.engine.device))
        size = fake_images.shape[-1]
        if size < self.images.image_size:
            smaller = F.avg_pool2d(real_images, self.images.image_size // size)
            return reconstruction_terms(
                fake_images.float(), smaller, self.settings.loss, weights_of_levels(self.settings, size)
            )
        terms = reconstruction_terms(fake_images.float(), real_images, self.settings.loss, self.level_weights)
        further = {} if self.further_terms is None else self.further_terms(fake_images.float(), real_images)
        return {**terms, **further}

    def step(self, batch: Batch, rate_share: float | Tensor) -> Moved:
        """One update of the weights and of the batch's latents only."""
        index = to_device(batch.index, self.engine.device)
        latents = self.table.batch(index)  # (B, d)
        terms, norm = self.fit_weights(latents, batch, rate_share)
        latent_norm = self._step_latents(index, latents, self.settings.latent_lr * rate_share)
        return Moved(terms, {"gradient_norm": norm, "latent_gradient_norm": latent_norm})

    def adapt(self, batch: Batch, step: int) -> None:
        """Take `held_out_latent_steps` steps on the batch's latents alone; otherwise α would see outdated ones."""
        for _ in range(self.settings.held_out_latent_steps):
            self.step_latents_only(batch, step)

    def step_latents_only(self, batch: Batch, step: int) -> None:
        """Update the batch's latents once; the network and its batch-norm buffers are frozen."""
        index = to_device(batch.index, self.engine.device)
        latents = self.table.batch(index)
        with frozen_buffers(self.network):
            terms = self.terms(latents, batch)
        total(terms).backward(inputs=[latents])
        self._step_latents(index, latents, self.settings.latent_lr * self.rate_share(step))

    def _step_latents(self, index: Tensor, latents: Tensor, lr: float | Tensor) -> Tensor:
        """Apply the rows of all ranks on every rank, so that tables stay equal; return the mean row gradient norm."""
        assert latents.grad is not None
        gradient = self.engine.gather(latents.grad / self.engine.num_ranks)
        self.table.step(self.engine.gather(index), gradient, lr)
        return gradient.norm(dim=1).mean()

    def recalibrate(self, rows: np.ndarray | None = None) -> None:
        """Recompute running statistics from latents: evaluation mode needs them, and they lag behind weights and α.

        `rows` (n,): use only the latents of these images.
        """
        purpose = "search recalibration"
        batches = Batches(self.images, self.settings.batch_images, seed=self.seed, purpose=purpose, rows=rows)
        recalibrate(self.network, lambda k: self.network(self.inputs(batches(k).index)), RECALIBRATION_BATCHES)

    @torch.no_grad()
    def mean_loss(self, rows: np.ndarray | None = None) -> float:
        """ℓ over all images (or `rows`, (n,)) and their latents, in evaluation mode, so independent of batches."""
        self.network.eval()
        rows = np.arange(self.images.num_images) if rows is None else rows
        summed, size = 0.0, self.settings.batch_images
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            batch = Batch(torch.from_numpy(part), torch.from_numpy(self.images.images[part]), None)
            terms = self.terms(self.inputs(batch.index), batch)
            summed += float(sum(terms.values())) * len(part)
        self.network.train()
        return summed / len(rows)

    # ------------------------------------------------------------------------------------------ reports

    @property
    def plateau_visits(self) -> int:
        """SGD moves a latent by rate times gradient per visit, Adam by about its rate."""
        return super().plateau_visits if self.settings.latent_optimizer == "adam" else SGD_VISITS

    @property
    def plateau_stops(self) -> bool:
        """Adam's loss falls at once; SGD's may lie at the mean image's for ten visits and fall later."""
        return self.settings.weight_optimizer == self.settings.latent_optimizer == "adam"

    def learned_nothing(self, loss: float) -> str | None:
        if self._mean_image is None:
            self._mean_image = self._mean_image_loss()
        if not loss > self.settings.plateau_share * self._mean_image > INDISTINCT:
            return None
        return f"the mean image alone has {self._mean_image:.4f}; {advice(self.settings)}"

    def _mean_image_loss(self) -> float:
        """ℓ of the mean image, with that of the smaller mean images in a later stage of a grown search."""
        sizes = (self.images.image_size, *self.earlier_sizes)
        own, *smaller = (
            mean_image_loss(area_downsampled(self.images, size), self.settings, self.engine.device) for size in sizes
        )
        return own + SMALLER_WEIGHT * sum(smaller)

    def findings(self, batches: Batches, num_steps: int, metrics: Sequence[Mapping[str, Any]]) -> list[Finding]:
        still = still_latents(self.table, batches, num_steps)
        found = [
            collapsed(*variances(self), num_steps=num_steps, mend=advice(self.settings)),
            dead_latents(*still, mean_gradients(metrics), mend=advice(self.settings)),
        ]
        return [finding for finding in found if finding is not None]

    def write_pictures(self, folder: StageFolder, step: int) -> None:
        """Write reconstructions.png and glo_samples.png, after recalibrating batch norms."""
        self.recalibrate()
        if not self.engine.is_main:
            return
        save_reconstructions(self, folder.path / "reconstructions.png")
        save_samples(self, self.table.rows, folder.path / "glo_samples.png")
        for name in ("reconstructions", "glo_samples"):
            folder.track_picture(step, name, folder.path / f"{name}.png")

    # ------------------------------------------------------------------------------------------ state

    @classmethod
    def num_own_values(cls, settings: SearchSettings, num_images: int) -> int:
        """The number of values of the latents, and with Adam of their two moments."""
        return (3 if settings.latent_optimizer == "adam" else 1) * num_images * settings.noise_size

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "latents": self.table.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self._table is None:  # empty rows for the state: computing initial latents may take minutes
            rows = torch.zeros(self.images.num_images, self.noise_size, device=self.engine.device)
            self._table = LatentTable(rows, self.settings.latent_optimizer)
        self._table.load_state_dict(state["latents"])


@torch.no_grad()
def mean_image_loss(images: ImageSet, settings: SearchSettings, device: torch.device) -> float:
    """ℓ over all images of the mean image, the best constant: the loss of a fit that learned nothing."""
    mean = torch.from_numpy(images.images.mean(axis=0, dtype="float64") / 127.5 - 1.0).float().to(device)
    summed, size = 0.0, 1024
    for start in range(0, images.num_images, size):
        real_images = to_symmetric(torch.from_numpy(images.images[start : start + size].copy()).to(device))
        weights = weights_of_levels(settings, images.image_size)
        terms = reconstruction_terms(mean.expand_as(real_images), real_images, settings.loss, weights)
        summed += float(sum(terms.values())) * len(real_images)
    return summed / images.num_images


def weights_of_levels(settings: SearchSettings, image_size: int) -> list[float]:
    """The weights of the loss' pyramid that the settings give for images of this size; raises `UserError`."""
    return level_weights(image_size, settings.pyramid_levels, settings.pyramid_weights)
