"""`degas experiment hand-made`."""

from __future__ import annotations

from typing import ClassVar, Literal

from degas.cli.options import Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings
from degas_lab.commands.measurement import MeasurementOptions
from degas_lab.trainings.hand_made_plan import RESNET, Plan

__all__ = ["Options", "main"]


class Options(Plan, MeasurementOptions):
    """Generators made by hand, trained alike with paired seeds: which is better, and by how much?

    Writes FOLDER/trials (a JSON file a row and seed), and from them summary.json and table.md. A second call goes on,
    also with other rows or seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment hand-made --data digits --out runs/hand-made",
        "degas experiment hand-made --data digits --out runs/hand-made --summary",
    )
    against: str = setting(RESNET, "the row that the others are compared with")
    score: Literal["fid", "kid"] = setting("fid", "score that is compared")
    summary: bool = setting(False, "make no trial; only write the summary of those that are finished")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.errors import UserError
    from degas.runtime.distributed import Engine
    from degas_lab.trainings.hand_made import HandMade
    from degas_lab.trainings.hand_made_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    images = load_images(options.source, options.data)
    with Engine(options.gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = HandMade(images, options, options.out, scorer, engine=engine)
        known = {record["row"] for record in measurement.trials.records().values()}
        if options.against not in known | set(measurement.rows):
            raise UserError(f"--against: neither among the rows nor a finished trial's: {options.against!r}")
        if not options.summary:
            measurement.measure()
    summary = write_summary(measurement.trials.records(), options.out, against=options.against, score=options.score)
    print(format_table(summary), end="")
