"""`degas experiment rank-correlation`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.options import SOURCE, Device, Folder, Source
from degas.settings.base import Count, Positive, Settings, setting
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings

__all__ = ["Options", "main"]

Share = Annotated[float, Field(gt=0, le=1)]
Part = Literal["adversarial", "predictors", "glo-l2", "glo-l2-lap1", "held-out", "proxy", "glo-features"]


class Options(Settings):
    """Does the search loss predict adversarial quality? Drawn architectures, trained alike, beside what predicts them.

    Writes FOLDER/trials (a JSON file a part, architecture and seed), and from them summary.json, table.md, tau.png and
    scatter.png. A second call goes on. Rates do not decay unless asked to, so that every mark is a shorter training.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment rank-correlation --data my-images --out runs/ranks",
        "degas experiment rank-correlation --data my-images --out runs/ranks --only adversarial glo-l2 --seeds 3",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the measurement")
    num_architectures: Annotated[int, Field(ge=4)] = setting(24, "drawn architectures")
    num_equal: Count = setting(12, "so many of them of equal parameter count, ± 10 %")
    equal_parameters: Positive | None = setting(None, "that count; default: the median of the draws")
    seeds: Positive = setting(2, "trainings of each architecture")
    seed: int = setting(0, "the first seed; also of the draws")
    only: Annotated[tuple[Part, ...], Field(min_length=1)] = setting(
        ("adversarial", "predictors"),
        "parts to make: adversarial, predictors (all but glo-features, which is dear), or single ones",
    )
    num_epochs: Positive = setting(5, "epochs of each GLO fit")
    proxy_share: Share = setting(0.125, "steps of the short adversarial training, as a share")
    marks: Annotated[tuple[Share, ...], Field(min_length=1)] = setting(
        (0.25, 0.5, 1.0), "shares of the steps at which a training is scored; the last one counts"
    )
    score: Literal["kid", "fid"] = setting("kid", "score that is to be predicted")
    score_at: Share | None = setting(None, "the mark whose score is to be predicted; default: the last of --marks")
    summary: bool = setting(False, "make no trial; only write the summary of those that are finished")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()
    gan: GanSettings = setting(
        GanSettings(objective="mmd", num_steps=600, width=32, lr_decay="none"),
        "the adversarial training, alike for all",
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=2000)


def main(options: Options) -> None:
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.errors import UserError
    from degas.gan.settings import resolve_gan
    from degas.runtime.distributed import Engine
    from degas.space.architecture import Architecture
    from degas_lab.trainings.rank_correlation import PREDICTORS, Plan, RankCorrelation
    from degas_lab.trainings.rank_summary import format_table, write_summary
    from degas_lab.trainings.scorer import Scorer

    if options.num_equal > options.num_architectures:
        raise UserError("--num-equal: more than --num-architectures; lower it")
    if options.gan.supervised:
        raise UserError("--gan.supervised: this measurement trains without labels; leave it out")
    marks = tuple(sorted(set(options.marks)))
    if options.score_at is not None and options.score_at not in marks:
        raise UserError(f"--score-at: {options.score_at:g} is none of --marks {' '.join(f'{m:g}' for m in marks)}")
    gan, images = resolve_gan(options.gan), load_images(options.source, options.data, options.out)
    space, base_size = options.space.resolve(images.image_size)
    width = options.gan.generator_width or options.search.width
    noise_size = options.gan.noise_size or options.search.noise_size
    sizes = (space.num_stages, space.num_normal, base_size, width, noise_size, images.channels)
    pattern = Architecture(*sizes, space.draw(0), options.space.separable_order, space.order)
    names = ("num_architectures", "num_equal", "equal_parameters", "seed", "num_epochs", "proxy_share")
    plan = Plan(
        num_seeds=options.seeds,
        marks=marks,
        **{name: getattr(options, name) for name in names},
    )
    with Engine(gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        measurement = RankCorrelation(images, pattern, gan, options.search, plan, options.out, scorer, engine=engine)
        if not options.summary:
            parts = {part for name in options.only for part in (PREDICTORS if name == "predictors" else (name,))}
            measurement.measure(sorted(parts))
        place = -1 if options.score_at is None else marks.index(options.score_at)
        summary = write_summary(measurement.trials.records(), options.out, options.score, place)
        print(format_table(summary), end="")
