"""The adversarial training loop: critic steps, a generator step, and periodic logs, samples and checkpoints.

Writes into the stage's folder: `generator/` (the averaged generator if there is one), `metrics.jsonl`,
`timing.jsonl`, `warnings.jsonl`, `samples/step-000500.png`, `checkpoints/`, `best/` with periodic evaluation, and for a
training that grows `growth.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from degas.data.image_set import ImageSet
from degas.gan.bookkeeping import Bookkeeping, Evaluate
from degas.gan.grow.plan import Stage, training_stages
from degas.gan.grow.steps import GrownSteps
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.interrupts import StopRequest
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder


def run_training(
    generator: Generator,
    images: ImageSet,
    settings: CompleteGan,
    *,
    seed: int,
    folder: StageFolder,
    engine: Engine,
    on_evaluate: Evaluate | None = None,
    progress: bool = True,
) -> None:
    """Train `generator` against a critic on `images`; `folder/generator` then holds the result.

    The stage has checked that the arguments fit together (`gan.checks`). With an earlier `settings.stop_step` it is the
    result so far, and a later call resumes.

    Args:
        generator: new, or with weights to fine-tune; conditional if and only if `settings.supervised`; trained in
            place.
        images: real images of the generator's size and channels; with labels if supervised.
        settings: complete (`gan.settings.resolve_gan`).
        seed: of all random numbers; equal seeds give equal runs.
        folder: the stage's locked folder. If it holds a checkpoint, training resumes from it, bit for bit.
        engine: device, precision, processes.
        on_evaluate: called every `settings.evaluate_steps` with a copy ready for sampling and the step; returns scores,
            the first of which decides (lower is better). The best generator becomes `folder/generator`.
        progress: whether to show a progress line.

    Raises:
        NonFiniteError: a loss, term or gradient is not finite.
        Terminated, Interrupted: stopped by a signal, after saving.
    """
    stages = training_stages(settings, generator)
    steps = make_steps(generator, images, settings, stages, seed=seed, engine=engine)
    books = Bookkeeping(steps, images, settings, seed, folder, engine, on_evaluate)
    start, end = books.resume(), last_step(settings)
    if len(stages) > 1:
        folder.write_json("growth.json", [stage.as_record() for stage in stages])
    display = Display(settings, stages, evaluates=on_evaluate is not None, quiet=not (progress and engine.is_main))
    with StopRequest() as stop:
        for stage, first, last in left_of(stages, start, end):
            with display.bar(stage, first, last, engine) as bar:
                for step in range(first, last):
                    critic, values = steps.both(step)
                    books.after_step(step + 1, critic, values, bar)
                    if engine.all_stop(stop.requested, step + 1):
                        books.save(step + 1)
                        stop.leave()
    if end < settings.num_steps:
        books.pause(max(start, end))
    else:
        books.finish()


def last_step(settings: CompleteGan) -> int:
    """The step after which this call ends: num_steps, or an earlier stop_step."""
    return min(settings.stop_step or settings.num_steps, settings.num_steps)


def left_of(stages: Sequence[Stage], start: int, end: int) -> list[tuple[Stage, int, int]]:
    """The stages with steps from `start` to `end`, each with the first and the last of them; a sole one in any case."""
    spans = [(stage, max(start, stage.first_step), min(end, stage.last_step)) for stage in stages]
    return [span for span in spans if span[1] < span[2] or len(stages) == 1]


def make_steps(
    generator: Generator,
    images: ImageSet,
    settings: CompleteGan,
    stages: Sequence[Stage],
    *,
    seed: int,
    engine: Engine,
) -> Steps | GrownSteps:
    """The steps of a plain training, or of one that grows."""
    if len(stages) == 1:
        return Steps(generator, images, settings, seed=seed, engine=engine)
    return GrownSteps(generator, images, settings, stages, seed=seed, engine=engine)


@dataclass(frozen=True)
class Display:
    """The progress lines: one for all steps, or one a stage if the training grows, since later steps take longer."""

    settings: CompleteGan
    stages: Sequence[Stage]
    evaluates: bool
    quiet: bool

    def bar(self, stage: Stage, first: int, last: int, engine: Engine) -> Progress:
        besides = ["evaluations during training"] if self.settings.evaluate_steps and self.evaluates else []
        title = f"train {self.settings.objective}"
        if len(self.stages) > 1:
            title += f" {stage.image_size} px"
            later = [f"{one.image_size}" for one in self.stages[stage.number + 1 :]]
            what = "stage" if len(later) == 1 else "stages"
            besides += [f"the {what} at {' and '.join(later)} px, whose steps take longer"] if later else []
        return Progress(
            title,
            last,
            start_step=first,
            besides=", and ".join(besides),
            shorter=_ways_to_shorten(self.settings, engine),
            quiet=self.quiet,
        )


def _ways_to_shorten(settings: CompleteGan, engine: Engine) -> str:
    """Return ways to shorten a training, in words."""
    ways = ["fewer steps (--gan.num-steps)", "a smaller --gan.width"]
    ways += ["--gan.objective mmd"] if settings.own.critic_steps > 1 else []
    return ", ".join([*ways, "a GPU"] if engine.device.type == "cpu" else ways)
