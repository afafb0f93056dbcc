"""Whole training steps of every objective: ours, against the same losses in the plainest form.

A whole step is all critic steps and one generator step, with the averaged generator. The plain form has NCHW memory,
up-sampling and pooling as defined, torch's default optimisers, gradients of all weights in every backward pass, and
one tensor after another in the average.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.pixels import to_symmetric
from degas.gan.ema import decay_of
from degas.gan.fresh import build_critic
from degas.gan.objectives.base import CriticBatch, GeneratorBatch
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nets.resampling import as_defined
from degas.runtime.distributed import Engine


def our_step(
    generator: Generator, images: ImageSet, settings: CompleteGan, *, seed: int, engine: Engine
) -> Callable[[], object]:
    """The step of `degas train`."""
    steps = Steps(generator, images, settings, seed=seed, engine=engine)
    return lambda: steps.both(0)


class PlainStep:
    """The step in its plainest form, on always the same reals."""

    def __init__(
        self, generator: Generator, images: ImageSet, settings: CompleteGan, *, seed: int, engine: Engine
    ) -> None:
        device = engine.device
        self.generator, self.critic = generator.to(device), build_critic(settings, images, seed).to(device)
        self.settings, self.engine = settings, engine
        self.average = {name: value.clone() for name, value in generator.state_dict().items()}
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), settings.own.critic_lr, settings.betas)
        self.generator_optimizer = torch.optim.Adam(generator.parameters(), settings.own.generator_lr, settings.betas)
        most = max(settings.batch_images, settings.generator_batch_images)
        self.reals = to_symmetric(torch.from_numpy(images.images[:most])).to(device)  # (N, C, H, W)

    @as_defined()
    def __call__(self) -> None:
        for _ in range(self.settings.own.critic_steps):
            self._critic_step()
        self._generator_step()
        self._average()

    def _critic_step(self) -> None:
        num_images = self.settings.batch_images
        with self.engine.autocast():
            fake_images = self.generator(self._noise(num_images)).detach()
            batch = CriticBatch(self.critic, self.reals[:num_images], fake_images.float())
            loss, _ = self.settings.own.critic_loss(batch)
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()

    def _generator_step(self) -> None:
        num_images = self.settings.generator_batch_images
        reals = self.reals[:num_images] if self.settings.own.compares_with_reals else None
        with self.engine.autocast():
            fake_images = self.generator(self._noise(num_images))
            batch = GeneratorBatch(self.critic, fake_images, real_images=reals)
            loss, _ = self.settings.own.generator_loss(batch)
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        num_images = self.settings.generator_batch_images
        decay = decay_of(num_images, num_images, self.settings.ema_half_life_images)
        for name, value in self.generator.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1.0 - decay)

    def _noise(self, num_images: int) -> Tensor:
        return torch.randn(num_images, self.generator.noise_size, device=self.engine.device)
