"""The settings of a contest. Knows no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from degas.errors import UserError
from degas.settings.sections import EvaluateSettings, GanSettings, Positive, Settings, setting
from degas_lab.contest.rungs import Schedule

FIRST_NEW_SEED = 1000  # seeds from here on never choose anything: the verdict's
Seed = Annotated[int, Field(ge=0, le=FIRST_NEW_SEED - 1)]


class Plan(Settings):
    """The length and scoring of the trainings; alike for every candidate."""

    num_candidates: Annotated[int, Field(ge=4, le=1000)] = setting(24, "candidates of the first rung")
    num_draws: Annotated[int, Field(ge=0)] | None = setting(
        None, "uniform draws among the candidates, at least; default: half of them"
    )
    promote: Annotated[tuple[Positive, Positive], Field()] = setting(
        (8, 3), "how many enter the second rung, and the third"
    )
    first_share: Annotated[float, Field(gt=0, lt=1)] = setting(
        0.3, "share of --gan.num-steps that a training of the first rung has; the second goes on from there"
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = setting(
        (0, 1, 2), "training seeds that choose: the first two rungs use the first, the third uses all"
    )
    score: Literal["fid", "kid"] = setting("fid", "score that decides")
    max_params: Positive | None = setting(
        None, "consider only architectures of at most so many parameters; default: no cap"
    )
    seed: int = setting(0, "seed of proposals and draws")
    gan: GanSettings = setting(
        GanSettings(num_steps=2500, width=32, generator_batch_images=64), "the adversarial training, alike for all"
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1797)

    @property
    def schedule(self) -> Schedule:
        """The rungs. Raises `UserError` where they are none."""
        steps = self.gan.num_steps
        first = max(1, round(self.first_share * steps))
        if first == steps:
            raise UserError(f"--first-share: leaves nothing of {steps} steps for the second rung; lower it")
        if not self.num_candidates >= self.promote[0] >= self.promote[1]:
            raise UserError("--promote: wants two numbers, the second no larger, the first at most --num-candidates")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError("--seeds: one is given twice")
        return Schedule(first, steps, self.seeds, self.promote, self.score)

    @property
    def num_proposals(self) -> int:
        draws = self.num_candidates // 2 if self.num_draws is None else self.num_draws
        return max(0, self.num_candidates - draws)
