"""`degas experiment label-agreement`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import FILE, SOURCE, Device, Folder, Source
from degas.settings.base import Positive, Settings, setting
from degas.settings.presets import PresetName
from degas.settings.sections import DataSettings, GanSettings

__all__ = ["Options", "main"]


class Options(Settings):
    """Test whether a supervised generator follows its labels, and only because of them.

    Trains the architecture with true and with shuffled labels; a classifier for the true labels judges both.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment label-agreement --architecture runs/mine --data digits --out runs/agreement",
        "degas experiment label-agreement --architecture runs/mine --data digits --out runs/x --gan.num-steps 2500",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the trials and of the classifier")
    architecture: str = setting(..., FILE)
    seed: int = setting(0, "seed of everything random")
    preset: PresetName = setting("default", "settings to start from")
    device: Device = setting("auto", "where to compute")
    num_samples: Positive = setting(1000, "samples to judge, with labels as frequent as in the data")
    data: DataSettings = DataSettings()
    gan: GanSettings = GanSettings()


def main(options: Options) -> None:
    from degas.data.sources import load_images
    from degas.gan.settings import resolve_gan
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.trainings.label_agreement import label_agreement

    images = load_images(options.source, options.data, options.out)
    found = load_architecture(options.architecture).for_image_size(images.image_size)
    gan = options.gan
    settings = resolve_gan(gan.model_copy(update={"supervised": True}))
    with Engine(settings.precision, options.device) as engine:
        label_agreement(
            found.resized(width=gan.generator_width, noise_size=gan.noise_size, channels=images.channels),
            images,
            settings,
            options.out,
            engine=engine,
            seed=options.seed,
            num_samples=options.num_samples,
        )
