"""Adversarial steps and whole training steps against their plainest forms."""

from __future__ import annotations

from collections.abc import Callable

import torch

from degas.data.image_set import ImageSet
from degas.data.pixels import to_symmetric
from degas.gan.objectives import OBJECTIVES
from degas.gan.objectives.wasserstein import CtGan
from degas.gan.settings import CompleteGan, resolve_gan
from degas.gan.state import Steps
from degas.nets.critic import Critic
from degas.runtime.rng import forked_rng
from degas.settings.sections import GanSettings
from degas_lab.speed.bench import Bench, beside_plain
from degas_lab.speed.textbook_steps import PlainCtGan
from degas_lab.speed.timing import peak_mib
from degas_lab.speed.training import PlainStep, our_step


class TrainingSteps(Bench):
    """Parts `adversarial` and `training`."""

    objectives: tuple[str, ...] = ()  # of `training`; none given: all

    def adversarial_steps(self) -> dict[str, dict[str, float]]:
        """`critic_step` and `generator_step` of `ct-gan` on a drawn architecture, against a plain port of CT-GAN."""
        settings = resolve_gan(
            GanSettings(objective="ct-gan", width=self.sizes.width, batch_images=self.sizes.batch_images)
        )
        images = self.sizes.images(self.seed)
        steps = Steps(self._generator(), images, settings, seed=self.seed, engine=self.engine)
        plain = self._plain_ct_gan(settings, images)
        both = {
            "critic_step": {"ours": lambda: steps.critic_step(0, 0), "plain": plain.critic_step},
            "generator_step": {"ours": lambda: steps.generator_step(0), "plain": plain.generator_step},
        }
        found = {}
        for name, calls in both.items():
            times = self._time(calls)
            found[name] = {**beside_plain(times), **self._roofline(calls["ours"], times["ours"])}
        return found

    def training_steps(self) -> dict[str, dict[str, float]]:
        """A whole training step of every registered objective on a drawn architecture, against its plainest form."""
        return {name: self._training_step(name) for name in self.objectives or OBJECTIVES}

    def _training_step(self, objective: str) -> dict[str, float]:
        ours = self._our_training_step(objective)
        images, settings = self.sizes.images(self.seed), self._gan(objective)
        plain = PlainStep(self._generator(), images, settings, seed=self.seed, engine=self.engine)
        times = self._time({"ours": ours, "plain": plain})
        peak = peak_mib(ours, self.engine.device)
        return {**beside_plain(times), **self._roofline(ours, times["ours"]), "peak_mib": peak}

    def _our_training_step(self, objective: str) -> Callable[[], object]:
        images, settings = self.sizes.images(self.seed), self._gan(objective)
        return our_step(self._generator(), images, settings, seed=self.seed, engine=self.engine)

    def _gan(self, objective: str) -> CompleteGan:
        """Settings with batches of the same size for critic and generator."""
        num_images = self.sizes.batch_images
        return resolve_gan(
            GanSettings(
                objective=objective,
                width=self.sizes.width,
                batch_images=num_images,
                generator_batch_images=num_images,
            )
        )

    def _plain_ct_gan(self, settings: CompleteGan, images: ImageSet) -> PlainCtGan:
        assert isinstance(settings.own, CtGan)
        with forked_rng(self.seed, "plain critic"):
            critic = Critic(
                width=settings.width,
                channels=images.channels,
                image_size=images.image_size,
                dropout=settings.own.dropout,
            )
        reals = to_symmetric(torch.from_numpy(images.images[: settings.batch_images])).to(self.engine.device)
        device = self.engine.device
        return PlainCtGan(self._generator().to(device), critic.to(device), settings, reals, engine=self.engine)
