"""`degas experiment rank-correlation`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import Device
from degas.errors import UserError
from degas.settings.base import setting
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas_lab.commands.measurement import PooledMeasurement, reject_search_only
from degas_lab.plan_fields import Share
from degas_lab.trainings.rank_plan import Plan

__all__ = ["Options", "main"]

Part = Literal["adversarial", "predictors", "glo-l2", "glo-l2-lap1", "held-out", "proxy", "glo-features"]


class Options(Plan, PooledMeasurement):
    """Test whether the search loss and other signals predict the adversarial quality of drawn architectures.

    Writes FOLDER/trials (one JSON file per part, architecture and seed), summary.json, table.md, tau.png and
    scatter.png. A second call continues. By default rates do not decay, so that every mark is a shorter training.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment rank-correlation --data my-images --out runs/ranks",
        "degas experiment rank-correlation --data my-images --out runs/ranks --only adversarial glo-l2 --seeds 3",
    )
    only: Annotated[tuple[Part, ...], Field(min_length=1)] = setting(
        ("adversarial", "predictors"),
        "parts to make: adversarial, predictors (all except the expensive glo-features), or single ones",
    )
    score: Literal["kid", "fid"] = setting("kid", "score to predict")
    score_at: Share | None = setting(None, "the mark whose score to predict; default: the last of --marks")
    summary: bool = setting(False, "make no trial; only write the summary of the finished ones")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()
    gan: GanSettings = setting(
        GanSettings(objective="mmd", num_steps=600, width=32, lr_decay="none"),
        "the adversarial training, equal for all",
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=2000)

    def check(self) -> None:
        """Raise `UserError` for settings that the measurement cannot use."""
        self.num_any  # noqa: B018 - rejects more of equal size than there are
        if self.gan.supervised:
            raise UserError("--gan.supervised: this measurement trains without labels; leave it out")
        reject_search_only(self.search, SearchSettings(), ("width", "noise_size", "held_out_fraction"))
        if self.score_at is not None and self.score_at not in self.marks:
            marks = " ".join(f"{mark:g}" for mark in self.marks)
            raise UserError(f"--score-at: {self.score_at:g} is not one of --marks {marks}")

    def pattern(self, image_size: int, channels: int) -> Architecture:
        """An architecture with the sizes of all that are drawn."""
        space, base_size = self.space.resolve(image_size)
        width = self.gan.generator_width or self.search.width
        noise_size = self.gan.noise_size or self.search.noise_size
        sizes = (space.num_stages, space.num_normal, base_size, width, noise_size, channels)
        return Architecture(*sizes, space.draw(0), self.space.separable_order, space.order)


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.gan.settings import resolve_gan
    from degas.runtime.distributed import Engine
    from degas_lab.ahead import side_by_side
    from degas_lab.trainings.rank_correlation import PREDICTORS, RankCorrelation
    from degas_lab.trainings.rank_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    options.check()  # before reading anything
    gan, images = resolve_gan(options.gan), load_images(options.source, options.data, options.out)
    pattern = options.pattern(images.image_size, images.channels)
    with side_by_side(options), Engine(gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = RankCorrelation(images, pattern, gan, options.search, options, options.out, scorer, engine=engine)
        if not options.summary:
            parts = {part for name in options.only for part in (PREDICTORS if name == "predictors" else (name,))}
            measurement.measure(sorted(parts))
    place = -1 if options.score_at is None else options.marks.index(options.score_at)
    summary = write_summary(measurement.trials.records(), options.out, options.score, place)
    print(format_table(summary), end="")
