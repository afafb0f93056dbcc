"""The settings of a search for a critic. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from degas.errors import UserError
from degas.settings.base import BatchImages, Count, Fraction, Rate, Settings, Weight, setting
from degas.settings.sections import GanSettings
from degas_lab.critics.space import DOWN_OPERATIONS, NORMAL_OPERATIONS, CriticSpace, check_candidates, stages_for

MEANINGLESS = ("critic", "supervised", "grow", "cuda_graphs", "stop_step", "evaluate_steps")  # settings of the training
Operations = Annotated[tuple[str, ...], Field(min_length=1)]


class Plan(Settings):
    """The space, the steps on mixing weights, and the training of the mixed critics."""

    num_normal: Annotated[Count, Field(le=8)] = setting(1, "normal operations after each down operation")
    down_operations: Operations = setting(DOWN_OPERATIONS, "candidates that halve a map")
    normal_operations: Operations = setting(NORMAL_OPERATIONS, "candidates that keep a map's size")
    held_out: Annotated[float, Field(gt=0, lt=1)] = setting(
        0.2, "share of the images that train no weights and measure the test power"
    )
    power_images: Annotated[BatchImages, Field(ge=2)] = setting(
        64, "held-out reals, and as many fakes, in a step on the mixing weights"
    )
    warm_share: Fraction = setting(0.2, "share of the steps before the mixing weights move")
    alpha_lr: Rate = setting(0.03, "Adam rate of the mixing weights' α")
    cost_weight: Weight = setting(
        0.1, "weight of the expected multiply-adds, as a share of the costliest critic's, beside the test power"
    )
    seed: int = setting(0, "seed of everything random")
    gan: GanSettings = setting(
        GanSettings(num_steps=1000, width=32), "the training of the mixed critics: objective, width, rates, steps"
    )

    def space(self, image_size: int) -> CriticSpace:
        """The space at an image size: as many stages as the default critic has there."""
        return CriticSpace(stages_for(image_size), self.num_normal, self.down_operations, self.normal_operations)

    def check(self) -> None:
        """Raise `UserError` for settings that a search for a critic cannot use."""
        check_candidates("down", self.down_operations)
        check_candidates("normal", self.normal_operations)
        default = GanSettings()
        changed = [name for name in MEANINGLESS if getattr(self.gan, name) != getattr(default, name)]
        given = [f"--gan.{name.replace('_', '-')}" for name in changed]
        if len(given) == 1:
            raise UserError(f"{given[0]}: has no meaning in a search for a critic; leave it out")
        if given:
            raise UserError(f"{' '.join(given)}: have no meaning in a search for a critic; leave them out")
