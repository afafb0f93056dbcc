"""One adversarial training as a trial: a number of seconds or steps, with scores in between, without a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.checks import check_generator, check_training
from degas.gan.publish import published
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.checkpoint import load_newest, save_checkpoint
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.settings.sections import TrainingSettings
from degas_lab.plan_fields import Clock
from degas_lab.trainings.stopwatch import Stopwatch

Score = Callable[[Generator], dict[str, float]]


def check_scored(settings: TrainingSettings) -> None:
    """Raise `UserError` for a training that cannot be scored on the way; measurements ask before they make a folder."""
    if settings.grow != "none":
        raise UserError("--gan.grow: a measurement scores on the way, where images would be smaller; leave it out")


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
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train until the last of `marks`, and score a copy at each.

    Args:
        settings: complete (`gan.settings.resolve_gan`).
        marks: seconds of training on `clock` without scoring, or generator steps; ascending. A started step is
            finished, so a mark in seconds is exceeded by less than a step.
        watch: for tests with their own clocks.
        checkpoint: folder to save into, at each mark and every `settings.checkpoint_steps`. From there a training
            continues, bit for bit, also to later marks.

    Returns:
        `steps`, `seconds`, `processor_seconds`, `load_average`, `device`, `num_threads`, `scoring_seconds`,
        `num_parameters`, and `history`: one object per mark with `mark`, `steps`, `seconds`, `processor_seconds` and
        the scores. A diverged training is a result as well: it has `failed`, the reason in one line, and the history so
        far.
    """
    check_scored(settings)
    check_training(settings, images, engine.device, engine.num_ranks)
    check_generator(generator, images, settings)
    steps = Steps(generator, images, settings, seed=seed, engine=engine)
    watch = watch or Stopwatch(engine.device)
    record: dict[str, Any] = {"num_parameters": generator.num_parameters, "history": []}
    saved = _Saved(checkpoint, steps, watch, marks)
    done, scoring = saved.restore(record["history"])
    try:
        for mark in marks[len(record["history"]) :]:
            watch.start()
            while (done if unit == "steps" else watch.seconds[clock]) < mark:
                steps.both(done)
                watch.lap()
                done += 1
                if settings.checkpoint_steps and done % settings.checkpoint_steps == 0:
                    saved.save(done, scoring, record["history"])
            spent = watch.stop()
            steps.watch.check()
            begun = time.perf_counter()
            found = score(published(steps, settings, seed))
            scoring += time.perf_counter() - begun
            seconds = {"seconds": spent["wall"], "processor_seconds": spent["processor"]}
            record["history"].append({"mark": mark, "steps": done, **seconds, **_finite(found)})
            saved.save(done, scoring, record["history"])
    except (NonFiniteError, NonFiniteScore) as error:
        watch.stop()
        record["failed"] = str(error)
    return {"steps": done, **watch.facts(), "scoring_seconds": scoring, **record}


class NonFiniteScore(Exception):  # noqa: N818 - an outcome of a trial
    """The samples cannot be scored: a feature or score is infinite or not a number."""


def _finite(scores: dict[str, float]) -> dict[str, float]:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise NonFiniteScore(f"{name} is {value}")
    return scores


class _Saved:
    """The checkpoints of one training in `folder`; None keeps none."""

    def __init__(self, folder: Path | None, steps: Steps, watch: Stopwatch, marks: Sequence[float]) -> None:
        self.folder, self.steps, self.watch, self.marks = folder, steps, watch, list(marks)

    def save(self, done: int, scoring: float, history: list[dict[str, Any]]) -> None:
        if self.folder is None:
            return
        self.steps.watch.check()  # never save a diverged state
        beside = {"seconds": self.watch.lap(), "scoring": scoring, "history": history, "marks": self.marks}
        save_checkpoint(self.folder, done, {"steps": self.steps.state_dict(), **beside}, keep=1)

    def restore(self, history: list[dict[str, Any]]) -> tuple[int, float]:
        """Fill `history`; return finished steps and seconds of scoring. A training with other marks is not resumed."""
        found = None if self.folder is None else load_newest(self.folder, lambda line: None)
        if found is None or any(old != new for old, new in zip(found[1]["marks"], self.marks, strict=False)):
            return 0, 0.0
        done, state = found
        self.steps.load_state_dict(state["steps"])
        self.watch.seconds.update(state["seconds"])
        history.extend(state["history"])
        return done, state["scoring"]
