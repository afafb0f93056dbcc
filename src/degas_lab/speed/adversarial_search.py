"""A search step by a critic instead of GLO, on the same supernet: what AutoGAN's and AdversarialNAS' line would cost.

Only to measure memory and time (the paper's claim that GLO search needs no discriminator): it finds no architecture.
The step is AdversarialNAS' in order: the critic's updates, one of the weights, one of α, each on fresh images.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from degas.gan.settings import CompleteGan
from degas.gan.state import build_critic
from degas.nas.alpha.step import alpha_rate
from degas.nas.state import Search
from degas.nets.normalisation import frozen_buffers


class AdversarialSearch:
    """`critic_steps` updates of a critic, one of the supernet's weights and one of α, from the objective's losses.

    Args:
        search: gives the supernet, which is trained in place, and the images.
        settings: complete (`gan.settings.resolve_gan`); `batch_images` reals a critic step. Fakes are as many as a GLO
            batch has images, in every step.
        real_images: float (N, C, H, W) in [−1, 1], on the device of the supernet.
    """

    def __init__(self, search: Search, settings: CompleteGan, real_images: Tensor, *, seed: int) -> None:
        self.supernet, self.search_settings, self.settings = search.supernet, search.settings, settings
        self.real_images, self.critic_steps = real_images, settings.own.critic_steps
        self.engine, self.objective = search.engine, settings.own
        self.critic = self.engine.prepare(build_critic(settings, search.images, seed))
        self.weights, self.alphas = self.supernet.weights(), self.supernet.alphas()
        self.critic_optimizer = _adam(self.critic.parameters(), settings.own.critic_lr, settings.betas)
        self.weight_optimizer = _adam(self.weights, settings.own.generator_lr, settings.betas)
        rate = alpha_rate(search.settings, search.total_steps)
        self.alpha_optimizer = _adam(self.alphas, rate, search.settings.alpha_betas)

    def step(self) -> None:
        """One whole search step."""
        for _ in range(self.critic_steps):
            self.critic_step()
        self._generator_step(self.weights, self.weight_optimizer)
        with frozen_buffers(self.supernet):
            self._generator_step(self.alphas, self.alpha_optimizer)

    def critic_step(self) -> None:
        self.critic_optimizer.zero_grad(set_to_none=True)
        with torch.no_grad(), frozen_buffers(self.supernet), self.engine.autocast():
            fake_images = self.supernet(self._noise())
        with self.engine.autocast():
            loss, _ = self.objective.critic_loss(self.critic, self._reals(), fake_images)
        loss.backward()
        self.critic_optimizer.step()

    def _generator_step(self, parameters: list[nn.Parameter], optimizer: torch.optim.Adam) -> None:
        """Only `parameters` get gradients, as in our search step and our adversarial one."""
        optimizer.zero_grad(set_to_none=True)
        self.critic.requires_grad_(False)
        self.supernet.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        reals = self._reals() if self.objective.compares_with_reals else None
        with self.engine.autocast():
            loss, _ = self.objective.generator_loss(self.critic, self.supernet(self._noise()), None, reals)
        loss.backward()
        optimizer.step()
        self.critic.requires_grad_(True)

    def _noise(self) -> Tensor:
        shape = (self.search_settings.batch_images, self.search_settings.noise_size)
        return torch.randn(shape, device=self.real_images.device)

    def _reals(self) -> Tensor:
        rows = torch.randint(len(self.real_images), (self.settings.batch_images,), device=self.real_images.device)
        return self.real_images[rows].contiguous(memory_format=torch.channels_last)


def _adam(parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True)
