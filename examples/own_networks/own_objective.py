"""An objective of your own: least squares (Mao et al. 2017), with a setting of its own, `--gan.real-target`.

degas train --import own_objective.py --gan.objective least-squares --gan.real-target 0.9 \
    --architecture resnet --data digits --out runs/own-objective
"""

import degas
from degas.settings.base import Rate, Weight, setting


@degas.register_objective("least-squares")
class LeastSquares(degas.Objective):
    """Scores are drawn to a target for reals and to 0 for fakes."""

    critic_lr: Rate = setting(4e-4, "Adam rate of the critic", source="our choice: that of sn-gan")
    real_target: Weight = setting(1.0, "what the critic's scores of reals are drawn to", source="Mao et al. 2017")

    def critic_loss(self, batch):
        real, fake = batch.score()
        loss = (real.scores - self.real_target).square().mean() + fake.scores.square().mean()
        return self.critic_total(loss, {"squares": loss}, real, batch.labels)

    def generator_loss(self, batch):
        fake = batch.score_fakes()
        return self.generator_total((fake.scores - self.real_target).square().mean(), {}, fake, batch.labels)
