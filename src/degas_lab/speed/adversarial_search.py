"""A search signal by a critic instead of GLO, on the same supernet, in AdversarialNAS' manner (Gao et al. 2020).

It is the control arm of the paper's claim that a search needs no critic. A step has AdversarialNAS' order: the critic's
updates, one of the weights, one of α, each on new images and noise. Two things differ. α has the loss of the weights
and one softmax (AdversarialNAS flattens it by a Gumbel softmax of a softmax). And measured pruning rules never ask the
critic, which was trained against this very mix and would judge every change of it: they compare the distance between
fakes and reals in the fixed features of `degas evaluate` (`measure`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from degas.data.loader import Batch, Batches
from degas.data.pixels import to_symmetric, to_uint8
from degas.errors import UserError
from degas.evaluation.extractors.base import Extractor
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.extractors.imagenet import load_weights
from degas.evaluation.metrics import kernel_distance
from degas.figures.grids import save_grid
from degas.gan.fresh import build_critic
from degas.gan.objectives.base import OBJECTIVES, CriticBatch, GeneratorBatch
from degas.gan.settings import CompleteGan, resolve_gan
from degas.nas.signal import Moved, Signal, Terms, load_optimizer, register_signal
from degas.nets.normalisation import frozen_buffers, recalibrate
from degas.runtime.rng import forked_rng, torch_generator
from degas.runtime.run_folder import StageFolder
from degas.runtime.transfer import to_device
from degas.settings.sections import EvaluateSettings, GanSettings, SearchSettings

NUM_SAMPLES, COLUMNS = 64, 16  # of the picture
RECALIBRATION_BATCHES = 20


def critic_training(settings: SearchSettings) -> CompleteGan:
    """The training of a search's critic by `critic_objective`: as wide as the supernet, with batches as large.

    The default objective, `sn-gan-ttur`, is the cheapest.
    """
    objective, width = settings.critic_objective, settings.width
    return resolve_gan(GanSettings(objective=objective, width=width, batch_images=settings.batch_images))


@register_signal("adversarial")
class AdversarialSignal(Signal):
    """Noise (B, d) → images that a critic should take for real; the critic is trained with the supernet's weights.

    `gan`: the complete settings of the objective (`gan.settings.resolve_gan`); `batch_images` reals per critic step.
    Every step has as many fakes as the search's batch has images. Default: `critic_training`. Raises `UserError` for
    fewer than two images, which have no distance to others.
    """

    has_critic = True
    rates = "the rates of its GanSettings"

    def __init__(self, *arguments: Any, gan: CompleteGan | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.images.num_images < 2:
            raise UserError(f"{self.images.source}: --search.signal adversarial needs at least two images")
        self.gan = gan or critic_training(self.settings)
        self.objective = self.gan.own
        critic = build_critic(self.gan, self.images, self.seed).to(self.engine.device)
        self.critic = critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weight_lr = self.objective.generator_lr
        self.optimizer = torch.optim.Adam(self.weights, lr=self.weight_lr, betas=self.gan.betas, fused=True)
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=self.objective.critic_lr, betas=self.gan.betas, fused=True
        )
        shares = vars(self.engine.shares)
        self.reals = Batches(self.images, self.gan.batch_images, seed=self.seed, purpose="search critic", **shares)
        self.num_critic_steps = 0
        self.num_drawn = 0  # number of noise draws
        self._extractor: Extractor | None = None
        self._real_features: dict[bytes, Tensor] = {}  # by the measured batch's pixels

    @classmethod
    def check(cls, settings: SearchSettings, image_size: int) -> None:
        objective = OBJECTIVES.find(settings.critic_objective, "--search.critic-objective")
        if settings.order == "second":
            raise UserError(
                "search: --search.order second unrolls SGD, and --search.signal adversarial has Adam; leave it out"
            )
        if settings.batch_images < max(2, objective.fewest_images):
            raise UserError(
                "search: --search.signal adversarial compares images of a batch; raise --search.batch-images"
            )
        load_weights()  # of the features: missing ones are told before the search, not at its end

    def inputs(self, index: Tensor) -> Tensor:
        """New noise (B, d) at each call, independent of the images."""
        random = torch_generator(self.seed, f"search noise {self.engine.rank}", self.num_drawn)
        self.num_drawn += 1
        return to_device(torch.randn(len(index), self.noise_size, generator=random), self.engine.device)

    def loss(self, fake_images: Tensor, batch: Batch) -> Terms:
        """The generator's loss, without gradients for the critic's weights."""
        reals = self._real_images(batch) if self.objective.compares_with_reals else None
        self.critic.requires_grad_(False)
        draws = forked_rng(self.seed, "search generator loss", self.num_drawn, self.engine.rank)  # dropout
        with draws, self.engine.autocast():
            loss, _ = self.objective.generator_loss(GeneratorBatch(self.critic, fake_images, None, reals))
        self.critic.requires_grad_(True)
        return {"generator": loss}

    def measure(self, fake_images: Tensor, batch: Batch) -> Terms:
        """The squared kernel distance between fakes (B, C, H, W) and the batch's images in fixed features.

        Unbiased, so it may be below 0. Rules measure with the batch norms' statistics of the measured batch, which are
        recalibrated in this way for every change of the mix.
        """
        reals = self._features_of_reals(batch)
        distance = kernel_distance(self.features(to_uint8(fake_images.float())), reals, num_subsets=1).whole
        return {"features": torch.tensor(distance, dtype=torch.float64, device=self.engine.device)}

    def _features_of_reals(self, batch: Batch) -> Tensor:
        """Features of the batch's images, computed once: every node is measured on the same few batches."""
        key = hashlib.blake2b(batch.images.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()
        if key not in self._real_features:
            self._real_features[key] = self.features(to_device(batch.images, self.engine.device))
        return self._real_features[key]

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) → (B, 1280), of the ImageNet network of `degas evaluate`."""
        if self._extractor is None:
            self._extractor = build_extractor(EvaluateSettings(extractor="imagenet"), self.engine.device)
        return self._extractor(images).features

    @torch.no_grad()
    def write_pictures(self, folder: StageFolder, step: int) -> None:
        """Write critic_samples.png, with recalibrated batch norms."""
        size = self.settings.batch_images
        recalibrate(self.network, lambda k: self.network(self._noise(size, "recalibration", k)), RECALIBRATION_BATCHES)
        if not self.engine.is_main:
            return
        self.network.eval()
        images = to_uint8(self.network(self._noise(NUM_SAMPLES, "samples", 0))).cpu()
        self.network.train()
        save_grid(images, folder.path / "critic_samples.png", columns=COLUMNS)
        folder.track_picture(step, "critic_samples", folder.path / "critic_samples.png")

    def _noise(self, count: int, purpose: str, number: int) -> Tensor:
        """Noise (count, d) for pictures, the same on every rank; it leaves that of the steps as it is."""
        random = torch_generator(self.seed, f"critic search {purpose}", number)
        return to_device(torch.randn(count, self.noise_size, generator=random), self.engine.device)

    def step(self, batch: Batch, rate_share: float | Tensor) -> Moved:
        """`critic_steps` updates of the critic, then one of the weights."""
        for _ in range(self.objective.critic_steps):
            critic_loss = self.critic_step(rate_share)
        moved = super().step(batch, rate_share)
        return Moved(moved.terms, {**moved.others, "critic": critic_loss})

    def critic_step(self, rate_share: float | Tensor) -> Tensor:
        """One update of the critic, which does not change the supernet; returns its detached loss."""
        real_images = self._real_images(self.reals(self.num_critic_steps))
        self.num_critic_steps += 1
        self.critic_optimizer.zero_grad(set_to_none=True)
        with torch.no_grad(), frozen_buffers(self.network), self.engine.autocast():
            num_images = self.engine.shares.rows(self.settings.batch_images)
            fake_images = self.network(self.inputs(torch.arange(num_images)))
        draws = forked_rng(self.seed, "search critic loss", self.num_critic_steps, self.engine.rank)
        with draws, self.engine.autocast():
            loss, _ = self.objective.critic_loss(CriticBatch(self.critic, real_images, fake_images))
        loss.backward()
        self.engine.all_reduce_mean([weight.grad for weight in self.critic.parameters() if weight.grad is not None])
        for group in self.critic_optimizer.param_groups:
            group["lr"] = self.objective.critic_lr * rate_share
        self.critic_optimizer.step()
        return loss.detach()

    def _real_images(self, batch: Batch) -> Tensor:
        """(B, C, H, W) in [−1, 1], channels last."""
        images = to_symmetric(to_device(batch.images, self.engine.device))
        return images.contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "critic": self.critic.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "counts": torch.tensor([self.num_critic_steps, self.num_drawn]),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.critic.load_state_dict(state["critic"])
        load_optimizer(self.critic_optimizer, state["critic_optimizer"])
        self.num_critic_steps, self.num_drawn = state["counts"].tolist()
