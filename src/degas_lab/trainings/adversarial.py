"""One adversarial training as a trial: so many seconds or steps, scored on the way, without a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from degas.data.image_set import ImageSet
from degas.gan.checks import check_generator, check_training
from degas.gan.publish import published
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas_lab.trainings.stopwatch import Clock, Stopwatch

Score = Callable[[Generator], dict[str, float]]


def train_and_score(
    generator: Generator,
    images: ImageSet,
    settings: CompleteGan,
    score: Score,
    *,
    marks: Sequence[float],
    unit: Literal["seconds", "steps"],
    seed: int,
    engine: Engine,
    clock: Clock = "wall",
    watch: Stopwatch | None = None,
) -> dict[str, Any]:
    """Train until the last of `marks`, and score a copy at each.

    Args:
        settings: complete (`gan.settings.resolve_gan`).
        marks: seconds of training on `clock`, scoring left out, or generator steps; ascending. A step that has begun
            is finished, so a mark in seconds is passed by less than a step.
        watch: for tests with clocks of their own.

    Returns:
        `steps`, `seconds`, `processor_seconds`, `load_average`, `num_threads`, `scoring_seconds`, `num_parameters`,
        and `history`: an object a mark with `mark`, `steps`, `seconds`, `processor_seconds` and the scores. A training
        that diverges is a result as well: it has `failed`, the reason in a line, and the history so far.
    """
    check_training(settings, images, engine.device, engine.num_ranks)
    check_generator(generator, images, settings)
    steps = Steps(generator, images, settings, seed=seed, engine=engine)
    watch = watch or Stopwatch(engine.device)
    record: dict[str, Any] = {"num_parameters": generator.num_parameters, "history": []}
    done, scoring = 0, 0.0
    try:
        for mark in marks:
            watch.start()
            while (done if unit == "steps" else watch.seconds[clock]) < mark:
                steps.both(done)
                watch.lap()
                done += 1
            spent = watch.stop()
            steps.watch.check()
            begun = time.perf_counter()
            found = score(published(steps, settings, seed))
            scoring += time.perf_counter() - begun
            seconds = {"seconds": spent["wall"], "processor_seconds": spent["processor"]}
            record["history"].append({"mark": mark, "steps": done, **seconds, **_finite(found)})
    except (NonFiniteError, NonFiniteScore) as error:
        watch.stop()
        record["failed"] = str(error)
    return {"steps": done, **watch.facts(), "scoring_seconds": scoring, **record}


class NonFiniteScore(Exception):  # noqa: N818 - an outcome of a trial
    """The samples are not to be scored: some feature or score is infinite or not a number."""


def _finite(scores: dict[str, float]) -> dict[str, float]:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise NonFiniteScore(f"{name} is {value}")
    return scores
