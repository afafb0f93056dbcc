"""The settings of a contest of critics. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from degas.errors import UserError
from degas.settings.base import Count, Positive, Settings, setting
from degas.settings.sections import EvaluateSettings, GanSettings
from degas_lab.contest.plan import Score, Seed, schedule_of
from degas_lab.contest.rungs import Schedule


class Plan(Settings):
    """The candidates, and the length and scoring of the trainings; each gets the same processor time."""

    num_candidates: Annotated[int, Field(ge=2, le=1000)] = setting(
        24, "critics of the first rung: the given ones, resnet, and uniform draws"
    )
    num_normal: Annotated[Count, Field(le=8)] = setting(1, "normal operations of a drawn critic after each down one")
    promote: tuple[Positive, Positive] = setting((8, 3), "number of critics in the second rung, and in the third")
    first_share: Annotated[float, Field(gt=0, lt=1)] = setting(
        0.3, "share of a critic's steps in the first rung; the second continues from there"
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = setting(
        (0, 1, 2), "training seeds for choosing: the first two rungs use the first, the third uses all"
    )
    score: Score = setting("fid", "score of the generator that decides")
    seed: int = setting(0, "seed of the draws")
    gan: GanSettings = setting(
        GanSettings(num_steps=2500, width=32, generator_batch_images=64),
        "the adversarial training; num_steps are those against resnet, and others get the same processor time",
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1797)

    @property
    def schedule(self) -> Schedule:
        """The rungs. Raises `UserError` if they are invalid."""
        for name in ("critic", "supervised"):
            if getattr(self.gan, name):
                raise UserError(f"--gan.{name}: has no meaning in a contest of critics; leave it out")
        if not self.num_candidates >= self.promote[0] >= self.promote[1]:
            raise UserError("--promote: needs two numbers, the first at most --num-candidates, the second no larger")
        return schedule_of(self.gan.num_steps, self.first_share, self.seeds, self.promote, self.score)
