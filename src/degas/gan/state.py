"""One critic step and one generator step. Each is a function of (weights, seed, step, rank) and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from degas.data.image_set import ImageSet
from degas.data.loader import Batches
from degas.data.pixels import dequantise
from degas.data.store import Store
from degas.gan.augment import diffaugment
from degas.gan.ema import Average
from degas.gan.fresh import build_critic
from degas.gan.objectives.base import CriticBatch, GeneratorBatch, Objective, Terms, with_labels
from degas.gan.parts import InParts
from degas.gan.schedules import betas_at, rate_share
from degas.gan.settings import CompleteGan
from degas.gan.watch import training_watch
from degas.generator.generator import Generator
from degas.nets.normalisation import frozen_buffers
from degas.runtime.distributed import Engine
from degas.runtime.replay import CudaGraphs, Inputs, Recorder, Replayed
from degas.runtime.rng import forked_rng, torch_generator
from degas.runtime.transfer import to_device

Augment = Callable[[Tensor], Tensor]


class CriticLoss(nn.Module):
    """The critic with its objective: the whole critic loss in one forward pass; `scores_labels`: of images and labels.

    DDP expects one forward pass for each backward pass; otherwise gradients shared by processes are wrong.
    """

    def __init__(self, critic: nn.Module, objective: Objective, augment: Augment, scores_labels: bool = False) -> None:
        super().__init__()
        self.critic, self.objective, self.augment = critic, objective, augment
        self.scores_labels = scores_labels

    def forward(
        self,
        real_images: Tensor,
        fake_images: Tensor,
        labels: Tensor | None,
        progress: Tensor | float = 0.0,
        num_doublings: Tensor | float = 0.0,
    ) -> tuple[Tensor, Terms]:
        augment = self.augment
        if not self.objective.augments_itself:
            real_images, fake_images, augment = augment(real_images), augment(fake_images), lambda images: images
        critic = with_labels(self.critic, labels if self.scores_labels else None)
        batch = CriticBatch(critic, real_images, fake_images, labels, augment, progress, num_doublings)
        return self.objective.critic_loss(batch)


class Steps:
    """Both networks, their optimisers and the averaged generator, with steps, saving and restoring.

    Args:
        generator: trained in place.
        images: real images, with labels if `settings.supervised`.
        settings: complete (`gan.settings.resolve_gan`).
        seed: of the critic's weights and of all random numbers.
        engine: device, precision and processes.
        critic: trained in place; by default a new one, from settings and seed.
    """

    def __init__(
        self,
        generator: Generator,
        images: ImageSet,
        settings: CompleteGan,
        *,
        seed: int,
        engine: Engine,
        critic: nn.Module | None = None,
    ) -> None:
        self.settings, self.seed, self.engine = settings, seed, engine
        self.objective = settings.own
        self.augment: Augment = diffaugment if settings.augment == "diffaugment" else lambda images: images
        critic = build_critic(settings, images, seed) if critic is None else critic
        self.critic_loss = engine.prepare(CriticLoss(critic, self.objective, self.augment, settings.scores_labels))
        self.critic = cast(CriticLoss, engine.unwrap(self.critic_loss)).critic
        parts = settings.norm_parts * engine.shares.begun_ranks // engine.num_ranks  # fewer processes: the same parts
        self.wrapped_generator = engine.prepare(InParts(generator, parts) if parts > 1 else generator)
        plain = self.plain_generator = engine.unwrap(self.wrapped_generator)  # without the wrapper of several processes
        self.generator = cast(Generator, plain.generator if isinstance(plain, InParts) else plain)
        self.average: Average | None = None
        if settings.ema_half_life_images:
            self.average = Average(self.generator, settings.ema_half_life_images, trained=settings.fine_tunes)
        self.critic_optimizer = _adam(self.critic, settings)
        self.generator_optimizer = _adam(self.generator, settings)
        self.num_doublings = 0  # by the objective's patience; `Bookkeeping` counts evaluations
        self.recorder: Recorder | None = None
        self.replayed: dict[str, Replayed] = {}  # with a recorder: the steps on critic and generator
        if settings.cuda_graphs:
            self.recorder = CudaGraphs()
        self.watch = training_watch(deferred=engine.device.type != "cpu")
        self.store = Store(images.images, engine.device)
        self.batches = self._make_batches(images, settings.batch_images, "critic reals")
        self.generator_batches = self._make_batches(images, settings.generator_batch_images, "generator reals")

    def critic_step(self, step: int, turn: int) -> dict[str, Tensor]:
        """Take critic step `turn` before generator step `step`; return its loss and terms, detached."""
        index = step * self.objective.critic_steps + turn
        real_images, labels = self._reals(self.batches, index, "critic dequantisation")
        inputs = {
            "real_images": real_images,
            "noise": self._noise(len(real_images), "critic noise", index),
            "labels": labels,
            "rate": self._rate(self.objective.critic_lr, step),
            "progress": self._progress(step),
            "num_doublings": float(self.num_doublings),
        }
        self._set_betas(self.critic_optimizer, step)
        with forked_rng(self.seed, "critic step", index, self.engine.rank):
            return self._take("critic", inputs, step)

    def generator_step(self, step: int) -> dict[str, Tensor]:
        """Take generator step `step`, counted from 0; return its loss and terms, detached.

        Fakes that are compared with reals under their labels have the labels of those reals, others uniform ones.
        """
        real_images, labels, num_images = None, None, self.engine.shares.rows(self.settings.generator_batch_images)
        if self.objective.compares_with_reals:
            real_images, labels = self._reals(self.generator_batches, step, "generator dequantisation")
            num_images = len(real_images)
        if labels is None or not self.settings.scores_labels:
            labels = self._uniform_labels(num_images, step)
        inputs = {
            "real_images": real_images,
            "noise": self._noise(num_images, "generator noise", step),
            "labels": labels,
            "rate": self._rate(self.objective.generator_lr, step),
        }
        self._set_betas(self.generator_optimizer, step)
        with forked_rng(self.seed, "generator step", step, self.engine.rank):
            values = self._take("generator", inputs, step)
        if self.average is not None:
            batch_images = num_images * self.engine.num_ranks
            progress = self._progress(step + 1) if self.settings.ema_ramp == "cosine" else None
            self.average.update(self.generator, (step + 1) * batch_images, batch_images, progress)
        return values

    def _take(self, kind: str, inputs: Inputs, step: int) -> Terms:
        """Take the step, directly or by replaying a recorded one."""
        move = self._move_critic if kind == "critic" else self._move_generator
        if self.recorder is None:
            return move(inputs, step)
        if kind not in self.replayed:
            self.replayed[kind] = Replayed(move, self.engine.device, self.recorder)
        values = self.replayed[kind](inputs)
        self.watch.add(step, {f"{kind} {term}": value for term, value in values.items()})
        return values

    def _move_critic(self, inputs: Inputs, step: int | None = None) -> Terms:
        """Take the critic step on its inputs; without `step` the numbers are not checked."""
        real_images, noise, labels = _tensors(inputs)
        _prepare(self.critic_optimizer, inputs["rate"])
        fake_images = self._fakes_for_critic(noise, labels)
        with self.engine.autocast():
            loss, terms = self.critic_loss(
                real_images, fake_images, labels, inputs["progress"], inputs["num_doublings"]
            )
        self.engine.backward(loss)
        return self._update(step, "critic", self.critic, self.critic_optimizer, loss, terms)

    def _move_generator(self, inputs: Inputs, step: int | None = None) -> Terms:
        """Take the generator step on its inputs; without `step` the numbers are not checked."""
        real_images, noise, labels = _tensors(inputs)
        _prepare(self.generator_optimizer, inputs["rate"])
        # The gradients of the critic's weights are not needed here and cost a third of the step.
        self.critic.requires_grad_(False)
        if real_images is not None:
            real_images = self.augment(real_images)
        with self.engine.autocast():
            fake_images = self.augment(self.wrapped_generator(noise, labels))
            critic = with_labels(self.critic, labels if self.settings.scores_labels else None)
            loss, terms = self.objective.generator_loss(GeneratorBatch(critic, fake_images, labels, real_images))
        self.engine.backward(loss)
        self.critic.requires_grad_(True)
        return self._update(step, "generator", self.generator, self.generator_optimizer, loss, terms)

    def both(self, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Take `critic_steps` critic steps and one generator step; return the values of the last of each."""
        for turn in range(self.objective.critic_steps):
            critic = self.critic_step(step, turn)
        return critic, self.generator_step(step)

    def to_publish(self) -> Generator:
        """Return the averaged generator if there is one, else the generator. Not a copy."""
        return self.generator if self.average is None else cast(Generator, self.average.module)

    def state_dict(self) -> dict[str, Any]:
        state = {
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
        }
        return state if self.average is None else {**state, "average": self.average.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])

    def _make_batches(self, images: ImageSet, batch_images: int, purpose: str) -> Batches:
        return Batches(
            images,
            batch_images,
            seed=self.seed,
            purpose=purpose,
            **vars(self.engine.shares),
            horizontal_flip=self.settings.horizontal_flip,
            store=self.store,
        )

    def _reals(self, batches: Batches, index: int, purpose: str) -> tuple[Tensor, Tensor | None]:
        """Dequantised reals of batch `index`, and their labels if training is supervised."""
        batch = batches(index)
        images = self.engine.shares.as_begun(
            batch.images, lambda rows, rank: dequantise(rows, torch_generator(self.seed, purpose, index, rank))
        )
        return images.to(memory_format=torch.channels_last), batch.labels if self.settings.supervised else None

    @torch.no_grad()
    def _fakes_for_critic(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Fakes (N, C, H, W) with the reals' labels, in training mode without changing batch-norm buffers."""
        with frozen_buffers(self.generator), self.engine.autocast():
            return self.plain_generator(noise, labels).to(noise.dtype)  # out of half precision

    def _noise(self, n: int, purpose: str, index: int) -> Tensor:
        """This rank's rows of the noise of all ranks, drawn on the CPU so that every device gets the same."""
        random = torch_generator(self.seed, purpose, index)
        return self._own_rows(torch.randn(n * self.engine.num_ranks, self.generator.noise_size, generator=random))

    def _uniform_labels(self, n: int, step: int) -> Tensor | None:
        if not self.settings.supervised:
            return None
        random = torch_generator(self.seed, "generator labels", step)
        return self._own_rows(torch.randint(self.generator.num_classes, (n * self.engine.num_ranks,), generator=random))

    def _own_rows(self, rows: Tensor) -> Tensor:
        return to_device(self.engine.shares.own(rows), self.engine.device)

    def _progress(self, step: int) -> float:
        """The share of the training done after `step` generator steps."""
        return step / self.settings.num_steps

    def _rate(self, lr: float, step: int) -> float:
        return lr * rate_share(self.settings, self._progress(step))

    def _set_betas(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Move Adam's β2, if it is to end elsewhere than it begins."""
        if self.settings.beta2_end != self.settings.betas[1]:
            for group in optimizer.param_groups:
                group["betas"] = betas_at(self.settings, self._progress(step))

    def _update(
        self,
        step: int | None,
        kind: str,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Tensor,
        terms: Terms,
    ) -> dict[str, Tensor]:
        """Check the numbers, unless `step` is None (they are checked elsewhere); then update the weights."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        values = {"loss": loss.detach(), **terms, "gradient_norm": norm}
        if step is not None:
            self.watch.add(step, {f"{kind} {term}": value for term, value in values.items()})
        optimizer.step()
        return values


def _adam(module: nn.Module, settings: CompleteGan) -> torch.optim.Adam:
    # The rate is set before every step; fused makes the update one pass, capturable lets a CUDA graph contain it.
    return torch.optim.Adam(module.parameters(), lr=0.0, betas=settings.betas, fused=True, capturable=True)


def _prepare(optimizer: torch.optim.Optimizer, rate: Tensor | float | None) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)


def _tensors(inputs: Inputs) -> tuple[Any, Any, Any]:
    """Reals, noise and labels of a step; the first and the last may be None."""
    return inputs["real_images"], inputs["noise"], inputs["labels"]
