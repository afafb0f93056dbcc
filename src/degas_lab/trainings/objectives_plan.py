"""The plan of the comparison of adversarial objectives. No torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from degas.settings.base import BatchImages, Positive, Rate, Settings, Width, setting
from degas_lab.plan_fields import DISTINCT, Clock, Marks

Minutes = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Plan(Settings):
    """The objectives, the time of their tuning and runs, and the sizes, equal for every objective."""

    objectives: Annotated[tuple[str, ...], DISTINCT] = setting(
        (), "objectives to measure; default: all registered ones"
    )
    minutes: Minutes = setting(10.0, "training time of a run, without scoring")
    marks: Marks = setting((0.25, 0.5, 1.0), "shares of that time at which a run is scored")
    seeds: Positive = setting(3, "runs of each objective")
    seed: int = setting(0, "the first seed; also of the tuning")
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = setting(
        (2e-4, 4e-4, 8e-4), "generator rates to try; the critic's rate keeps the objective's own ratio to it"
    )
    critic_steps: Annotated[tuple[Positive, ...], Field(min_length=1)] = setting((1, 2, 5), "critic steps to try")
    tune_minutes: Minutes = setting(1.5, "training time of a tuning trial")
    tune_samples: Positive = setting(2000, "samples for the score of a tuning trial")
    tune_by: Literal["kid", "fid"] = setting("kid", "score of the tuning")
    num_parameters: Positive = setting(170_000, "approximate parameters of the resnet")
    critic_width: Width = setting(48, "channels of every critic")
    batch_images: BatchImages = setting(64, "real images per critic step")
    generator_batch_images: BatchImages = setting(64, "images per generator step, equal for all (CT-GAN doubles it)")
    clock: Clock = setting("wall", "processor: time of this process, for a shared machine; on the CPU, one thread")
