"""A search signal by a critic instead of GLO, on the same supernet, as in AutoGAN and AdversarialNAS.

It measures memory and time (the paper's claim that GLO search needs no discriminator); its results are not evaluated.
The step has AdversarialNAS' order: the critic's updates, one of the weights, one of α, each on new images and noise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from degas.data.loader import Batch, Batches
from degas.data.pixels import to_symmetric
from degas.gan.objectives.base import CriticBatch, GeneratorBatch
from degas.gan.settings import CompleteGan, resolve_gan
from degas.gan.state import build_critic
from degas.nas.signal import Moved, Signal, Terms, load_optimizer, register_signal
from degas.nets.normalisation import frozen_buffers
from degas.runtime.rng import forked_rng, torch_generator
from degas.runtime.transfer import to_device
from degas.settings.sections import GanSettings


@register_signal("adversarial")
class AdversarialSignal(Signal):
    """Noise (B, d) → images that a critic should take for real; the critic is trained with the supernet's weights.

    `gan`: the complete settings of the objective (`gan.settings.resolve_gan`); `batch_images` reals per critic step.
    Every step has as many fakes as the search's batch has images. Default: `sn-gan-ttur`, the cheapest.
    """

    rates = "the rates of its GanSettings"

    def __init__(self, *arguments: Any, gan: CompleteGan | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        default = GanSettings(
            objective="sn-gan-ttur", width=self.settings.width, batch_images=self.settings.batch_images
        )
        self.gan = gan or resolve_gan(default)
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
