"""The search of a critic: one mixed critic beside each of a few fixed generators, and one α for all of them.

The generators are the same one early, midway and late in its training, or any others. A step trains each critic's
weights on reals and its generator's fakes by the objective's critic loss; then α moves on held-out reals and new fakes:

    minimise  − mean over generators of MMD²/σ  +  cost_weight · Σ softmax(α) · cost

This raises the test power of the critic (`power`), not its loss: a lower loss is no better critic. Everything is a
function of the seed and the step, so that a stopped search resumes to the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.loader import Batches, split
from degas.data.pixels import dequantise
from degas.data.store import Store
from degas.gan.augment import diffaugment
from degas.gan.schedules import rate_share
from degas.gan.settings import CompleteGan
from degas.gan.state import CriticLoss
from degas.generator.generator import Generator
from degas.runtime.rng import forked_rng, torch_generator
from degas_lab.critics.mixed import MixedCritic, costs
from degas_lab.critics.power import two_sample_power
from degas_lab.critics.search_plan import Plan
from degas_lab.critics.space import CriticSpace

Weights = dict[str, Tensor]  # place → mixing weights (K,)


class CriticSearch:
    """The mixed critics, α and their optimisers.

    Args:
        generators: fixed; each has a critic of its own, and all critics begin with the same weights.
        settings: complete; the objective's critic loss, rates and number of steps.
    """

    def __init__(
        self,
        generators: Sequence[Generator],
        images: ImageSet,
        plan: Plan,
        settings: CompleteGan,
        *,
        device: torch.device,
    ) -> None:
        self.plan, self.settings, self.device = plan, settings, device
        self.generators = [each.to(device).eval().requires_grad_(False) for each in generators]
        self.space: CriticSpace = plan.space(images.image_size)
        sizes = {"channels": images.channels, "width": settings.width, "image_size": images.image_size}
        self.critics = [self._critic(sizes) for _ in generators]
        augment = diffaugment if settings.augment == "diffaugment" else lambda pictures: pictures
        self.losses = [CriticLoss(critic, settings.own, augment) for critic in self.critics]
        self.optimizers = [torch.optim.Adam(each.parameters(), lr=0.0, betas=settings.betas) for each in self.critics]
        self.costs = {name: value.to(device) for name, value in costs(self.space, **sizes).items()}
        self.alpha = {name: torch.zeros_like(value, requires_grad=True) for name, value in self.costs.items()}
        self.alpha_optimizer = torch.optim.Adam(list(self.alpha.values()), lr=plan.alpha_lr, betas=(0.5, 0.999))
        self._make_batches(images)

    def step(self, step: int) -> dict[str, Tensor]:
        """Take step `step`, counted from 0; return losses, powers and the expected cost, detached."""
        values = {}
        weights = {name: value.detach() for name, value in self.mixing().items()}
        for k in range(len(self.critics)):
            values[f"critic_{k}"] = self._move_weights(k, step, weights)
        return values | self._move_alpha(step)

    def mixing(self) -> Weights:
        """softmax(α) of each place (paper eq. 1)."""
        return {name: value.softmax(0) for name, value in self.alpha.items()}

    def power(self, k: int, index: int, purpose: str) -> Tensor:
        """The test power of critic `k` on held-out reals and as many fakes; differentiable in the mixing weights."""
        critic = self.critics[k]
        real_images = self._reals(self.held_out, f"{purpose} dequantisation", index)
        fake_images = self._fakes(k, len(real_images), f"{purpose} noise", index)
        critic.eval()
        output = critic(torch.cat([real_images, fake_images])).scores.float()
        critic.train()
        return two_sample_power(output[: len(real_images)], output[len(real_images) :])

    def expected_cost(self) -> Tensor:
        """Σ over places of softmax(α) · cost: the share of the costliest critic's multiply-adds."""
        return torch.stack([(self.mixing()[name] * cost).sum() for name, cost in self.costs.items()]).sum()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search needs besides its seed and step."""
        return {
            "critics": [each.state_dict() for each in self.critics],
            "optimizers": [each.state_dict() for each in self.optimizers],
            "alpha": {name: value.detach() for name, value in self.alpha.items()},
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        for critic, optimizer, weights, moments in zip(
            self.critics, self.optimizers, state["critics"], state["optimizers"], strict=True
        ):
            critic.load_state_dict(weights)
            optimizer.load_state_dict(moments)
        with torch.no_grad():
            for name, value in self.alpha.items():
                value.copy_(state["alpha"][name])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])

    def _critic(self, sizes: dict[str, Any]) -> MixedCritic:
        own = self.settings.own
        with forked_rng(self.plan.seed, "critic weights"):
            critic = MixedCritic(self.space, **sizes, output_size=own.score_size, **own.critic_options)
        return critic.to(self.device)

    def _make_batches(self, images: ImageSet) -> None:
        seed, store = self.plan.seed, Store(images.images, self.device)
        num_held = max(2, round(self.plan.held_out * images.num_images))
        rows, held = split(images.num_images, num_held, seed=seed, purpose="critic search held out")
        self.batches = Batches(
            images, self.settings.batch_images, seed=seed, purpose="critic search reals", rows=rows, store=store
        )
        self.held_out = Batches(
            images, self.plan.power_images, seed=seed, purpose="critic search held-out reals", rows=held, store=store
        )

    def _reals(self, batches: Batches, purpose: str, index: int) -> Tensor:
        return dequantise(batches(index).images, torch_generator(self.plan.seed, purpose, index))

    @torch.no_grad()
    def _fakes(self, k: int, num_images: int, purpose: str, index: int) -> Tensor:
        """Fakes of generator `k`; every generator gets the same noise."""
        size = self.generators[k].noise_size
        noise = torch.randn(num_images, size, generator=torch_generator(self.plan.seed, purpose, index))
        return self.generators[k](noise.to(self.device))

    def _move_weights(self, k: int, step: int, weights: Weights) -> Tensor:
        """Take one critic step; return its loss."""
        settings = self.settings
        self.critics[k].mix(weights)
        real_images = self._reals(self.batches, "critic search dequantisation", step)
        fake_images = self._fakes(k, len(real_images), "critic search noise", step)
        with forked_rng(self.plan.seed, "critic search step", step):
            loss, _ = self.losses[k](real_images, fake_images, None, step / settings.num_steps)
        for group in self.optimizers[k].param_groups:
            group["lr"] = settings.own.critic_lr * rate_share(settings, step / settings.num_steps)
        self.optimizers[k].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[k].step()
        return loss.detach()

    def _move_alpha(self, step: int) -> dict[str, Tensor]:
        """Measure the power of every critic, and move α unless the weights are still warming up."""
        weights = self.mixing()
        powers = []
        for k, critic in enumerate(self.critics):
            critic.mix(weights)
            powers.append(self.power(k, step, "critic search power"))
        cost = self.expected_cost()
        loss = self.plan.cost_weight * cost - torch.stack(powers).mean()
        if step >= self.plan.warm_share * self.settings.num_steps:
            gradients = torch.autograd.grad(loss, list(self.alpha.values()))
            for value, gradient in zip(self.alpha.values(), gradients, strict=True):
                value.grad = gradient
            self.alpha_optimizer.step()
        told = {f"power_{k}": value.detach() for k, value in enumerate(powers)}
        return {**told, "expected_cost": cost.detach(), "alpha_loss": loss.detach()}
