"""`degas experiment objectives`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import FILE, SOURCE, Device, Folder, Source
from degas.settings.base import BatchImages, Positive, Rate, Settings, Width, setting
from degas.settings.sections import DataSettings, EvaluateSettings

__all__ = ["Options", "main"]

Minutes = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class Options(Settings):
    """The adversarial objectives at equal time on equal networks: tuned alike, then run with several seeds.

    Writes FOLDER/tune-OBJECTIVE and FOLDER/runs (a JSON file a trial), and from them summary.json, table.md and
    pictures. A second call goes on. Rates do not decay, and the averaged generator is scored.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment objectives --data my-images --out runs/objectives --minutes 10 --seeds 3",
        "degas experiment objectives --data my-images --out runs/objectives --objectives mmd r3gan --summary",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")
    objectives: tuple[str, ...] = setting((), "which to measure; default: all that are registered")
    minutes: Minutes = setting(10.0, "training time of a run; scoring does not count")
    marks: Annotated[tuple[Share, ...], Field(min_length=1)] = setting(
        (0.25, 0.5, 1.0), "shares of that time at which a run is scored"
    )
    seeds: Positive = setting(3, "runs of each objective")
    seed: int = setting(0, "the first seed; also of the tuning")
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = setting(
        (2e-4, 4e-4, 8e-4), "generator rates to try; the critic's keeps the objective's own ratio to it"
    )
    critic_steps: Annotated[tuple[Positive, ...], Field(min_length=1)] = setting((1, 2, 5), "critic steps to try")
    tune_minutes: Minutes = setting(1.5, "training time of a tuning trial")
    tune_samples: Positive = setting(2000, "samples that a tuning trial is scored with")
    tune_by: Literal["kid", "fid"] = setting("kid", "score that chooses")
    architecture: str = setting("resnet", f"{FILE}; or resnet, of a width by --num-parameters")
    num_parameters: Positive = setting(170_000, "about so many parameters of the resnet")
    critic_width: Width = setting(48, "channels of every critic")
    batch_images: BatchImages = setting(64, "real images a critic step")
    generator_batch_images: BatchImages = setting(64, "images a generator step, alike for all (CT-GAN doubles it)")
    clock: Literal["wall", "processor"] = setting(
        "wall", "processor: time of this process, for a machine that others use too; on the CPU, one thread"
    )
    summary: bool = setting(False, "make no trial; only write the summary of those that are finished")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.gan.objectives import OBJECTIVES
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.trainings.objectives import Objectives, Plan
    from degas_lab.trainings.objectives_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    objectives = tuple(dict.fromkeys(options.objectives)) or tuple(OBJECTIVES)
    for name in objectives:
        OBJECTIVES.find(name, "--objectives")
    images = load_images(options.source, options.data, options.out)
    architecture = None
    if options.architecture != "resnet":
        architecture = load_architecture(options.architecture, ["resnet"]).for_image_size(images.image_size)
    plan = Plan(
        objectives=objectives,
        minutes=options.minutes,
        marks=tuple(sorted(set(options.marks))),
        num_seeds=options.seeds,
        rates=options.rates,
        critic_steps=options.critic_steps,
        tune_minutes=options.tune_minutes,
        tune_samples=options.tune_samples,
        score=options.tune_by,
        critic_width=options.critic_width,
        num_parameters=options.num_parameters,
        batch_images=options.batch_images,
        generator_batch_images=options.generator_batch_images,
        clock=options.clock,
        seed=options.seed,
    )
    with Engine("float32", options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = Objectives(images, plan, options.out, scorer, engine=engine, architecture=architecture)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement.results(), options.out, options.clock)), end="")
