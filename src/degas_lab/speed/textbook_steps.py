"""The steps that `degas benchmark` compares with ours, in the plainest form: NCHW memory, one call after another, every
gradient of `backward`, torch's default optimisers. They run in the engine's precision, like ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from degas.gan import losses
from degas.gan.settings import CompleteGan
from degas.generator.generator import Generator
from degas.nas.glo.latents import LatentTable
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nas.supernet.supernet import Supernet
from degas.nets.critic import Critic, CriticOutput
from degas.nets.resampling import as_defined
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings
from degas_lab.speed.textbook import TextbookMixedOp, textbook_supernet


class TextbookSearch:
    """A search step of the textbook supernet: weights and latents, then α, each from a whole backward pass (DARTS)."""

    def __init__(
        self, supernet: Supernet, settings: SearchSettings, images: Tensor, *, seed: int, engine: Engine
    ) -> None:
        """`supernet` gives space and sizes; `images` float (N, C, H, W) in [−1, 1], N at least twice a batch."""
        backbone = supernet.backbone
        self.images, self.batch_images, self.engine = images, settings.batch_images, engine
        self.network = textbook_supernet(
            supernet.space,
            base_size=backbone.base_size,
            width=backbone.width,
            noise_size=settings.noise_size,
            channels=images.shape[1],
        ).to(images.device)
        alphas = [edge.alpha for edge in self.network.edges.values() if isinstance(edge, TextbookMixedOp)]
        known = {id(alpha) for alpha in alphas}
        weights = [p for p in self.network.parameters() if id(p) not in known]
        self.weights = weights
        self.weight_optimizer = torch.optim.Adam(weights, lr=settings.weight_lr)
        self.alpha_optimizer = torch.optim.Adam(alphas, lr=3e-4, betas=settings.alpha_betas)
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(len(images), settings.noise_size, generator=generator) / settings.noise_size**0.5
        self.table = LatentTable(rows.to(images.device))
        self.latent_lr, self.clip_norm = settings.latent_lr, settings.clip_norm
        self.batch = 0

    def step(self) -> None:
        index = self._next()
        latents = self.table.batch(index)
        self._backward(index, latents)
        nn.utils.clip_grad_norm_(self.weights, self.clip_norm)
        self.weight_optimizer.step()
        assert latents.grad is not None
        self.table.step(index, latents.grad, self.latent_lr)
        index = self._next()
        self._backward(index, self.table.rows[index])
        self.alpha_optimizer.step()

    def _backward(self, index: Tensor, latents: Tensor) -> None:
        self.network.zero_grad()
        with self.engine.autocast():
            fake_images = self.network(latents)
        terms = reconstruction_terms(fake_images.float(), self.images[index])
        torch.stack(list(terms.values())).sum().backward()

    def _next(self) -> Tensor:
        start = self.batch * self.batch_images % (len(self.images) - self.batch_images + 1)
        self.batch += 1
        return torch.arange(start, start + self.batch_images, device=self.images.device)


class PlainCtGan:
    """A plain port of CT-GAN's steps: one critic call each for fakes, reals, reals again and interpolates.

    Up-sampling and pooling are computed by definition (`nets.resampling.as_defined`).
    """

    def __init__(
        self, generator: Generator, critic: Critic, settings: CompleteGan, real_images: Tensor, *, engine: Engine
    ) -> None:
        """`settings` resolved for `ct-gan`; `real_images` float (N, C, H, W)."""
        self.generator, self.critic, self.settings, self.real_images = generator, critic, settings, real_images
        self.engine = engine
        self.critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=settings.betas)
        self.generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=settings.betas)

    @as_defined()
    def critic_step(self) -> None:
        self.critic_optimizer.zero_grad()
        with self.engine.autocast():
            loss = self._critic_loss(self.real_images)
        loss.backward()
        self.critic_optimizer.step()

    @as_defined()
    def generator_step(self) -> None:
        self.generator_optimizer.zero_grad()
        num_images = self.settings.generator_batch_images
        with self.engine.autocast():
            loss = losses.wasserstein_generator(self._scored(self.generator(self._noise(num_images))).scores)
        loss.backward()
        self.generator_optimizer.step()

    def _critic_loss(self, real_images: Tensor) -> Tensor:
        fake_images = self.generator(self._noise(len(real_images))).detach()
        real, again, fake = self._scored(real_images), self._scored(real_images), self._scored(fake_images)
        assert real.features is not None
        assert again.features is not None
        shares = torch.rand(len(real_images), device=real_images.device)
        points = losses.interpolate(real_images, fake_images, shares).requires_grad_()
        penalty = losses.gradient_penalty(losses.squared_gradient_norms(self._scored(points).scores, points))
        consistency = losses.consistency(
            real.scores, again.scores, real.features, again.features, 2.0, 0.2, 0.0  # CT-GAN's code
        )  # fmt: skip
        return losses.wasserstein_critic(real.scores, fake.scores) + 10.0 * penalty + consistency

    def _scored(self, images: Tensor) -> CriticOutput:
        scored: CriticOutput = self.critic(images)
        return scored

    def _noise(self, num_images: int) -> Tensor:
        return torch.randn(num_images, self.generator.noise_size, device=self.real_images.device)
