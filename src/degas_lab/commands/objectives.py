"""`degas experiment objectives`."""

from __future__ import annotations

from typing import ClassVar

from degas.cli.options import FILE, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings, EvaluateSettings
from degas_lab.commands.measurement import PooledMeasurement
from degas_lab.trainings.objectives_plan import Plan

__all__ = ["Options", "main"]


class Options(Plan, PooledMeasurement):
    """Compare the adversarial objectives at equal time on equal networks, tuned equally, with several seeds.

    Writes FOLDER/tune-OBJECTIVE and FOLDER/runs (one JSON file per trial), summary.json, table.md and pictures. A
    second call continues. Rates do not decay, and the averaged generator is scored.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment objectives --data my-images --out runs/objectives --minutes 10 --seeds 3",
        "degas experiment objectives --data my-images --out runs/objectives --objectives mmd r3gan --summary",
    )
    architecture: str = setting("resnet", f"{FILE}; or resnet, whose width follows --num-parameters")
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.space.find import load_architecture
    from degas_lab.ahead import side_by_side
    from degas_lab.trainings.objectives import Objectives, objectives_of
    from degas_lab.trainings.objectives_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    objectives_of(options)  # rejects an unknown name before reading anything
    images = load_images(options.source, options.data, options.out)
    architecture = None
    if options.architecture != "resnet":
        architecture = load_architecture(options.architecture, ["resnet"]).for_image_size(images.image_size)
    with side_by_side(options), Engine("float32", options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = Objectives(images, options, options.out, scorer, engine=engine, architecture=architecture)
        if not options.summary:
            measurement.measure()
    print(format_table(write_summary(measurement.results(), options.out, options.clock)), end="")
