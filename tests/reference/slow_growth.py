"""Steps of a growing training by their definition: fades written out, one Adam a network, the average by its formula.

Slow twin of `degas.gan.grow`. Losses, operations and batches are those of a plain training, which have twins of their
own; what grows is written out here.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from degas.gan.grow.steps import StageSteps
from degas.gan.objectives.base import CriticBatch, GeneratorBatch
from degas.gan.state import Steps
from degas.nets.critic import CriticOutput


def squares(x: Tensor) -> Tensor:
    """The mean of each 2×2 pixels: (N, C, 2h, 2w) → (N, C, h, w)."""
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def repeated(x: Tensor) -> Tensor:
    """Each pixel four times: (N, C, h, w) → (N, C, 2h, 2w)."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


class SlowStage:
    """The second or a later stage, from copies of the networks that `now` has taken over, for objective r3gan."""

    def __init__(self, now: StageSteps, first_step: int, last_step: int, total_steps: int) -> None:
        assert now.average is not None
        self.now, self.first_step, self.last_step, self.total_steps = now, first_step, last_step, total_steps
        fading: Any = copy.deepcopy(now.generator)
        self.network, self.before, self.parts = fading.generator.network, fading.before, fading
        self.critic: Any = copy.deepcopy(now.critic)
        self.average = {name: value.clone() for name, value in now.average.module.state_dict().items()}
        self.adams = [torch.optim.Adam(each.parameters(), betas=(0.0, 0.9)) for each in (self.critic, fading)]

    def fade(self, step: int) -> float:
        """1/n, 2/n, …, 1 in the n steps that are a tenth of the stage, then 1."""
        num_fading = (self.last_step - self.first_step) / 10
        return min(1.0, (step - self.first_step + 1) / num_fading)

    def fakes(self, noise: Tensor, fade: float) -> Tensor:
        """The images of the whole network, and those of the head of the stage before on the map before the last."""
        network = self.network
        nodes = network.maps(noise).nodes
        last = int(network.last[1:])
        own = torch.tanh(network.to_image(torch.relu(network.norm(nodes[f"U{last}"]))))
        before = torch.tanh(self.before.to_image(torch.relu(self.before.norm(nodes[f"U{last - 1}"]))))
        return fade * own + (1 - fade) * repeated(before)

    def reals(self, batches: Any, step: int, purpose: str, fade: float) -> Tensor:
        images, _ = Steps._reals(self.now, batches, step, purpose)
        return fade * images + (1 - fade) * repeated(squares(images))

    def score(self, images: Tensor, fade: float) -> CriticOutput:
        critic, front = self.critic, self.critic.image_block
        new = F.conv2d(images, front.from_images.weight, front.from_images.bias)
        for operation in front.new:
            new = operation(new)
        x = fade * new + (1 - fade) * F.conv2d(squares(images), front.before.weight, front.before.bias)
        for operation in [*critic.extra, *critic.blocks]:
            x = operation(x)
        features = torch.relu(x).mean((2, 3))
        return CriticOutput(critic.score(features)[:, 0], features)

    def step(self, step: int) -> None:
        """A critic step, a generator step, and the average."""
        now, fade, objective = self.now, self.fade(step), self.now.objective

        def score(images: Tensor) -> CriticOutput:
            return self.score(images, fade)

        reals = self.reals(now.batches, step, "critic dequantisation", fade)
        buffers = copy.deepcopy(self.parts.state_dict())
        with torch.no_grad():
            fakes = self.fakes(now._noise(len(reals), "critic noise", step), fade)
        self.parts.load_state_dict(buffers)  # the critic's fakes move no running statistics
        loss, _ = objective.critic_loss(CriticBatch(score, reals, fakes, progress=step / self.total_steps))
        self._move(self.adams[0], loss, self._rate(objective.critic_lr, step))
        reals = self.reals(now.generator_batches, step, "generator dequantisation", fade)
        fakes = self.fakes(now._noise(len(reals), "generator noise", step), fade)
        loss, _ = objective.generator_loss(GeneratorBatch(score, fakes, None, reals))
        self._move(self.adams[1], loss, self._rate(objective.generator_lr, step))
        self._average(len(reals), (step + 1) * len(reals))

    def _rate(self, lr: float, step: int) -> float:
        return lr * (1 - step / self.total_steps)

    def _move(self, adam: torch.optim.Adam, loss: Tensor, rate: float) -> None:
        for each in self.adams:
            each.zero_grad()
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = rate
        adam.step()

    def _average(self, num_images: int, seen: int) -> None:
        half_life = min(self.now.settings.ema_half_life_images, 0.05 * seen)
        kept = 0.5 ** (num_images / half_life)
        for name, value in self.parts.state_dict().items():
            self.average[name] = kept * self.average[name] + (1 - kept) * value
