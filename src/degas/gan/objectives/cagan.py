"""`cagan`: many critics by dropout, and adversarial consistency (Ni et al. 2018), on `wgan-gp`.

Two dropout passes over an image are two critics of one family. The critic learns to agree with itself on reals and to
disagree on fakes; the generator learns fakes on which the critics agree. The paper that degas follows gives none of the
constants, so they are our choice: CT-GAN's, and a bound without which disagreement could grow for ever.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from degas.gan import losses
from degas.gan.objectives.base import (
    CriticBatch,
    GeneratorBatch,
    Loss,
    register_objective,
    score_groups,
)
from degas.gan.objectives.wasserstein import Wasserstein
from degas.nets.critic import CriticOutput
from degas.settings.base import Fraction, Rate, Weight, setting


@register_objective("cagan")
class Cagan(Wasserstein):
    """Critic: wgan-gp + C(real) − min(C(fake), bound). Generator: −E[D(fake)] + C(fake).

    C = weight · (D(x) − D(x'))² + feature_weight · mean_f (D_(x) − D_(x'))², averaged over images, as in `ct-gan`.
    """

    compares_features: ClassVar[bool] = True

    consistency_weight: Weight = setting(2.0, "weight of the score distance in the consistency")
    consistency_feature_weight: Weight = setting(0.2, "weight of the feature distance in the consistency")
    inconsistency_bound: Rate = setting(1.0, "up to this, for each fake, the critic gains by disagreeing with itself")
    dropout: tuple[Fraction, Fraction, Fraction] = setting((0.2, 0.5, 0.5), "rates after critic blocks 2, 3, 4")

    @property
    def critic_options(self) -> dict[str, Any]:
        return {"dropout": self.dropout}

    def critic_loss(self, batch: CriticBatch) -> Loss:
        images = (batch.real_images, batch.real_images, batch.fake_images, batch.fake_images)
        real, real_again, fake, fake_again = score_groups(batch.critic, *images)
        penalty = self._penalty(batch)
        distance = losses.wasserstein_critic(real.scores, fake.scores)
        agreed = self._distances(real, real_again).mean()
        disputed = self._distances(fake, fake_again).clamp(max=self.inconsistency_bound).mean()
        loss = distance + self.penalty_weight * penalty + agreed - disputed
        terms = {"wasserstein": distance, "penalty": penalty, "consistency": agreed, "inconsistency": disputed}
        return self.critic_total(loss, terms, real, batch.labels)

    def generator_loss(self, batch: GeneratorBatch) -> Loss:
        fake, again = score_groups(batch.critic, batch.fake_images, batch.fake_images)
        agreed = self._distances(fake, again).mean()
        loss = losses.wasserstein_generator(fake.scores) + agreed
        return self.generator_total(loss, {"consistency": agreed}, fake, batch.labels)

    def _distances(self, first: CriticOutput, second: CriticOutput) -> Tensor:
        """(N,): how far two dropout passes over the same images differ."""
        assert first.features is not None
        assert second.features is not None
        weights = (self.consistency_weight, self.consistency_feature_weight)
        return losses.pass_distances(first.scores, second.scores, first.features, second.features, *weights)
