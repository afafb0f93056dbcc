"""The Wasserstein objectives: `wgan-gp` (Gulrajani et al. 2017) and `ct-gan` (Wei et al. 2018), the paper's choice."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from degas.gan import losses
from degas.gan.objectives.base import (
    CriticBatch,
    GeneratorBatch,
    Loss,
    Objective,
    register_objective,
    score,
    score_groups,
)
from degas.settings.base import Fraction, Positive, Weight, setting


@register_objective("wgan-gp")
class Wasserstein(Objective):
    """Wasserstein distance and gradient penalty."""

    critic_steps: Positive = setting(5, "critic steps per generator step", source="CT-GAN code")
    penalty_weight: Weight = setting(10.0, "λ of the gradient penalty", source="CT-GAN code")

    def critic_loss(self, batch: CriticBatch) -> Loss:
        real, fake = batch.score()
        penalty = self._penalty(batch)
        distance = losses.wasserstein_critic(real.scores, fake.scores)
        loss = distance + self.penalty_weight * penalty
        return self.critic_total(loss, {"wasserstein": distance, "penalty": penalty}, real, batch.labels)

    def generator_loss(self, batch: GeneratorBatch) -> Loss:
        fake = batch.score_fakes()
        return self.generator_total(losses.wasserstein_generator(fake.scores), {}, fake, batch.labels)

    def _penalty(self, batch: CriticBatch) -> Tensor:
        """The penalty on one interpolate per pair; dropout is on, as everywhere."""
        shares = draw_shares(batch.real_images)
        points = losses.interpolate(batch.real_images, batch.fake_images, shares).detach().requires_grad_(True)
        return losses.gradient_penalty(losses.squared_gradient_norms(score(batch.critic, points).scores, points))


@register_objective("ct-gan")
class CtGan(Wasserstein):
    """`wgan-gp` with dropout in the critic and the consistency term."""

    compares_features: ClassVar[bool] = True

    consistency_weight: Weight = setting(2.0, "λ of the consistency term", source="CT-GAN code")
    consistency_feature_weight: Weight = setting(
        0.2, "weight of the feature distance in the consistency term, 0.1·λ", source="CT-GAN code"
    )
    consistency_margin: Weight = setting(0.0, "M of the consistency term", source="CT-GAN code")
    dropout: tuple[Fraction, Fraction, Fraction] = setting(
        (0.2, 0.5, 0.5), "rates after critic blocks 2, 3, 4", source="CT-GAN code"
    )

    @property
    def critic_options(self) -> dict[str, Any]:
        return {"dropout": self.dropout}

    def critic_loss(self, batch: CriticBatch) -> Loss:
        # The reals twice in one call: each row draws its own dropout. Scores and classes use the first copy.
        real, again, fake = score_groups(batch.critic, batch.real_images, batch.real_images, batch.fake_images)
        penalty = self._penalty(batch)
        distance = losses.wasserstein_critic(real.scores, fake.scores)
        assert real.features is not None
        assert again.features is not None
        consistency = losses.consistency(
            real.scores,
            again.scores,
            real.features,
            again.features,
            self.consistency_weight,
            self.consistency_feature_weight,
            self.consistency_margin,
        )
        loss = distance + self.penalty_weight * penalty + consistency
        terms = {"wasserstein": distance, "penalty": penalty, "consistency": consistency}
        return self.critic_total(loss, terms, real, batch.labels)


def draw_shares(real_images: Tensor) -> Tensor:
    """Uniform shares (N,) for the gradient penalty's interpolates, from torch's global random state."""
    return torch.rand(len(real_images), device=real_images.device, dtype=real_images.dtype)
