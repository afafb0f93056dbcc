"""The settings of a contest. Knows no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from degas.errors import UserError
from degas.settings.sections import EvaluateSettings, GanSettings, Positive, Settings, setting
from degas_lab.contest.rungs import Schedule

FIRST_NEW_SEED = 1000  # seeds from here on are for the verdict and choose nothing
Score = Literal["fid", "kid"]
Seed = Annotated[int, Field(ge=0, le=FIRST_NEW_SEED - 1)]


class Plan(Settings):
    """The length and scoring of the trainings, equal for every candidate."""

    num_candidates: Annotated[int, Field(ge=4, le=1000)] = setting(24, "candidates of the first rung")
    num_draws: Annotated[int, Field(ge=0)] | None = setting(
        None, "least number of candidates that are no proposals of families, most of them draws; default: half"
    )
    promote: Annotated[tuple[Positive, Positive], Field()] = setting(
        (8, 3), "number of candidates in the second rung, and in the third"
    )
    first_share: Annotated[float, Field(gt=0, lt=1)] = setting(
        0.3, "share of --gan.num-steps in the first rung; the second continues from there"
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = setting(
        (0, 1, 2), "training seeds for choosing: the first two rungs use the first, the third uses all"
    )
    score: Score = setting("fid", "score that decides")
    max_params: Positive | None = setting(
        None, "consider only architectures with at most this many parameters; default: no cap"
    )
    seed: int = setting(0, "seed of proposals and draws")
    gan: GanSettings = setting(
        GanSettings(num_steps=2500, width=32, generator_batch_images=64), "the adversarial training, equal for all"
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1797)

    @property
    def schedule(self) -> Schedule:
        """The rungs. Raises `UserError` if they are invalid."""
        if not self.num_candidates >= self.promote[0] >= self.promote[1]:
            raise UserError("--promote: needs two numbers, the first at most --num-candidates, the second no larger")
        return schedule_of(self.gan.num_steps, self.first_share, self.seeds, self.promote, self.score)

    @property
    def num_proposals(self) -> int:
        """The most candidates that are not draws: of the search, shipped, and of families."""
        draws = self.num_candidates // 2 if self.num_draws is None else self.num_draws
        return max(0, self.num_candidates - draws)


def schedule_of(
    steps: int, first_share: float, seeds: tuple[int, ...], promote: tuple[int, int], score: str
) -> Schedule:
    """The rungs of a contest of `steps` steps. Raises `UserError` if they are invalid."""
    first = max(1, round(first_share * steps))
    if first == steps:
        raise UserError(f"--first-share: leaves nothing of {steps} steps for the second rung; lower it")
    if len(set(seeds)) < len(seeds):
        raise UserError("--seeds: a seed is given twice")
    return Schedule(first, steps, seeds, promote, score)
