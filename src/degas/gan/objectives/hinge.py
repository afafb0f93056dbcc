"""`sn-gan` (Miyato et al. 2018) and `sn-gan-ttur`: hinge loss, spectrally normalised critic. First order.

`sn-gan` has its authors' schedule: five critic steps a generator step, both rates 2e-4, betas (0, 0.9). `sn-gan-ttur`
is the cheapest step: one critic step, at twice the generator's rate (two time scales, Heusel et al. 2017).
"""

from __future__ import annotations

from typing import Any

from degas.gan import losses
from degas.gan.objectives.base import CriticBatch, GeneratorBatch, Loss, Objective, register_objective
from degas.settings.base import Positive, Rate, setting


@register_objective("sn-gan")
class SnGan(Objective):
    """Hinge loss on the scores of a spectrally normalised critic."""

    critic_steps: Positive = setting(5, "critic steps per generator step", source="SN-GAN: n_dis")
    generator_lr: Rate = setting(2e-4, "Adam rate of the generator", source="SN-GAN")
    critic_lr: Rate = setting(2e-4, "Adam rate of the critic", source="SN-GAN")

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


@register_objective("sn-gan-ttur")
class SnGanTtur(SnGan):
    """`sn-gan` with one critic step at twice the generator's rate: up to degas 0.1 the objective `sn-gan`."""

    critic_steps: Positive = setting(1, "critic steps per generator step")
    critic_lr: Rate = setting(4e-4, "Adam rate of the critic")
