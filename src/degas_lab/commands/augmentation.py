"""`degas experiment augmentation`."""

from __future__ import annotations

from typing import ClassVar, Literal

from degas.cli.options import FILE, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings
from degas_lab.commands.measurement import PooledMeasurement
from degas_lab.trainings.augmentation_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, PooledMeasurement):
    """Find the number of images above which augmentation no longer helps, by paired trainings on subsets of a set.

    Writes FOLDER/trials (one JSON file per training), summary.json and table.md. A second call continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment augmentation --data digits --out runs/augmentation",
        "degas experiment augmentation --data my-images --out runs/augmentation --num-images 200 2,000",
    )
    architecture: str = setting("degas-cifar10-nearest", FILE)
    score: Literal["kid", "fid", "precision", "recall"] = setting("kid", "score to compare")
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    gan: GanSettings = setting(
        GanSettings(num_steps=1000, width=32, generator_width=32, generator_batch_images=64),
        "the adversarial training, equal for all",
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1000)


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.errors import UserError
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.ahead import side_by_side
    from degas_lab.trainings.augmentation import measure, write_summary
    from degas_lab.trainings.scorer import Scorer

    if options.gan.supervised:
        raise UserError("--gan.supervised: this measurement trains without labels; leave it out")
    gan, images = options.gan, load_images(options.source, options.data)
    found = load_architecture(options.architecture).for_image_size(images.image_size)
    found = found.resized(width=gan.generator_width, noise_size=gan.noise_size, channels=images.channels)
    if not options.summary:
        with side_by_side(options), Engine(gan.precision, options.device) as engine:
            scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
            measure(found, images, gan, options, options.out, scorer, engine=engine)
    print(write_summary(options.out, images.source, options.score), end="")
