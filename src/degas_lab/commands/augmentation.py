"""`degas experiment augmentation`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import FILE, SOURCE, Device, Folder, Source
from degas.settings.base import Positive, Settings, setting
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings

__all__ = ["Options", "main"]


Share = Annotated[float, Field(gt=0, le=1)]


class Options(Settings):
    """From how many images on is augmentation no longer worth it? Paired trainings on subsets of a larger set.

    Writes FOLDER/trials (a JSON file a training), and from them summary.json and table.md. A second call goes on.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment augmentation --data digits --out runs/augmentation",
        "degas experiment augmentation --data my-images --out runs/augmentation --num-images 200 2,000",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")
    architecture: str = setting("degas-cifar10-nearest", FILE)
    num_images: Annotated[tuple[Positive, ...], Field(min_length=1)] = setting(
        (100, 300, 1000), "images of each subset; scores are against all"
    )
    seeds: Positive = setting(3, "pairs of each subset")
    seed: int = setting(0, "the first seed")
    marks: Annotated[tuple[Share, ...], Field(min_length=1)] = setting(
        (1.0,), "shares of the steps at which a training is scored"
    )
    score: Literal["kid", "fid", "precision", "recall"] = setting("kid", "score that is compared")
    summary: bool = setting(False, "make no trial; only write the summary of those that are finished")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    gan: GanSettings = setting(
        GanSettings(num_steps=1000, width=32, generator_width=32, generator_batch_images=64),
        "the adversarial training, alike for all",
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1000)


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.errors import UserError
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.trainings.augmentation import Plan, measure, write_summary
    from degas_lab.trainings.scorer import Scorer

    if options.gan.supervised:
        raise UserError("--gan.supervised: this measurement trains without labels; leave it out")
    gan, images = options.gan, load_images(options.source, options.data)
    found = load_architecture(options.architecture).for_image_size(images.image_size)
    found = found.resized(width=gan.generator_width, noise_size=gan.noise_size, channels=images.channels)
    plan = Plan(
        num_images=tuple(sorted(set(options.num_images))),
        num_seeds=options.seeds,
        seed=options.seed,
        marks=tuple(sorted(set(options.marks))),
    )
    if not options.summary:
        with Engine(gan.precision, options.device) as engine:
            scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
            measure(found, images, gan, plan, options.out, scorer, engine=engine)
    print(write_summary(options.out, images.source, options.score), end="")
