"""`degas experiment hand-made`."""

from __future__ import annotations

from typing import ClassVar, Literal

from degas.cli.options import Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings
from degas_lab.commands.measurement import PooledMeasurement
from degas_lab.trainings.hand_made_plan import RESNET, Plan

__all__ = ["Options", "main"]


class Options(Plan, PooledMeasurement):
    """Train generators made by hand equally, with paired seeds: which is better, and by how much?

    Writes FOLDER/trials (one JSON file per row and seed), summary.json and table.md. A second call continues, also with
    other rows or seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment hand-made --data digits --out runs/hand-made",
        "degas experiment hand-made --data digits --out runs/hand-made --summary",
    )
    against: str = setting(RESNET, "the row to compare the others with")
    score: Literal["fid", "kid"] = setting("fid", "score to compare")
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.errors import UserError
    from degas.runtime.distributed import Engine
    from degas_lab.ahead import side_by_side
    from degas_lab.trainings.hand_made import HandMade
    from degas_lab.trainings.hand_made_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    images = load_images(options.source, options.data)
    with side_by_side(options), Engine(options.gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = HandMade(images, options, options.out, scorer, engine=engine)
        known = {record["row"] for record in measurement.trials.records().values()}
        if options.against not in known | set(measurement.rows):
            raise UserError(
                f"--against: {options.against!r} is neither a row nor that of a finished trial; add it to --rows, or "
                "name another"
            )
        if not options.summary:
            measurement.measure()
    summary = write_summary(measurement.trials.records(), options.out, against=options.against, score=options.score)
    print(format_table(summary), end="")
