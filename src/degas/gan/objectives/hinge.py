"""`sn-gan`: hinge loss, spectrally normalised critic (Miyato et al. 2018). First order, the cheapest step."""

from __future__ import annotations

from typing import Any

from degas.gan import losses
from degas.gan.objectives.base import CriticBatch, GeneratorBatch, Loss, Objective, register_objective
from degas.settings.base import Rate, setting


@register_objective("sn-gan")
class SnGan(Objective):
    """Hinge loss on the scores of a spectrally normalised critic."""

    critic_lr: Rate = setting(4e-4, "Adam rate of the critic")

    @property
    def critic_options(self) -> dict[str, Any]:
        return {"spectral": True, "score_pool": "sum"}

    def critic_loss(self, batch: CriticBatch) -> Loss:
        real, fake = batch.score()
        hinge = losses.hinge_critic(real.scores, fake.scores)
        terms = {"hinge": hinge, "real_score": real.scores.mean(), "fake_score": fake.scores.mean()}
        return self.critic_total(hinge, terms, real, batch.labels)

    def generator_loss(self, batch: GeneratorBatch) -> Loss:
        fake = batch.score_fakes()
        return self.generator_total(losses.wasserstein_generator(fake.scores), {}, fake, batch.labels)
