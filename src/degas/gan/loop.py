"""The adversarial training loop: critic steps, a generator step, and periodic logs, samples and checkpoints.

Writes into the stage's folder: `generator/` (the averaged generator if there is one), `metrics.jsonl`,
`timing.jsonl`, `warnings.jsonl`, `samples/step-000500.png`, `checkpoints/`, and `best/` with periodic evaluation.
"""

from __future__ import annotations

from degas.data.image_set import ImageSet
from degas.gan.bookkeeping import Bookkeeping, Evaluate
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
    steps = Steps(generator, images, settings, seed=seed, engine=engine)
    books = Bookkeeping(steps, images, settings, seed, folder, engine, on_evaluate)
    start = books.resume()
    end = last_step(settings)
    bar = Progress(
        f"train {settings.objective}",
        end,
        start_step=start,
        besides="evaluations during training" if settings.evaluate_steps and on_evaluate is not None else "",
        shorter=_ways_to_shorten(settings, engine),
        quiet=not (progress and engine.is_main),
    )
    with bar, StopRequest() as stop:
        for step in range(start, end):
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


def _ways_to_shorten(settings: CompleteGan, engine: Engine) -> str:
    """Return ways to shorten a training, in words."""
    ways = ["fewer steps (--gan.num-steps)", "a smaller --gan.width"]
    ways += ["--gan.objective mmd"] if settings.own.critic_steps > 1 else []
    return ", ".join([*ways, "a GPU"] if engine.device.type == "cpu" else ways)
