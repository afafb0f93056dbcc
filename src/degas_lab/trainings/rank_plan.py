"""The plan of the measurement of predictors of adversarial quality. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from degas.errors import UserError
from degas.settings.base import Count, Positive, Settings, setting
from degas_lab.plan_fields import Marks, Share


class Plan(Settings):
    """The drawn architectures, and the length of their fits and trainings."""

    num_architectures: Annotated[int, Field(ge=4)] = setting(24, "drawn architectures")
    num_equal: Count = setting(12, "number of them with equal parameter count, ± 10 %")
    equal_parameters: Positive | None = setting(None, "that parameter count; default: the median of the draws")
    seeds: Positive = setting(2, "trainings of each architecture")
    seed: int = setting(0, "the first seed; also of the draws")
    num_epochs: Positive = setting(5, "epochs of each GLO fit")
    proxy_share: Share = setting(0.125, "steps of the short adversarial training, as a share")
    marks: Marks = setting((0.25, 0.5, 1.0), "shares of the steps at which a training is scored; the last one counts")

    @property
    def num_any(self) -> int:
        """Number of architectures of any size. Raises `UserError` if more should have equal size than there are."""
        if self.num_equal > self.num_architectures:
            raise UserError("--num-equal: more than --num-architectures; lower it")
        return self.num_architectures - self.num_equal
