"""`degas experiment critic-contest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from degas.cli.arguments import Argument
from degas.cli.options import FILE, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings
from degas_lab.commands.measurement import PooledMeasurement
from degas_lab.critics.contest_plan import Plan

if TYPE_CHECKING:
    from degas_lab.critics.candidates import CriticCandidate

__all__ = ["Options", "main"]

LOWER = "--gan.width, --gan.batch-images or --data.image-size"


class Options(Plan, PooledMeasurement):
    """Judge critics by the scores of the generators that train against them, at equal processor time, in three rungs.

    Writes FOLDER: candidates.json, paces.json, trials (one JSON file per training), rungs.json, critic.json; with
    --verdict also verdict.json. The same command continues a stopped contest, and may run several times at once.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment critic-contest --critics runs/critic --data digits --out runs/critic-contest",
        "degas experiment critic-contest --critics runs/critic --data digits --out runs/critic-contest --verdict",
    )
    critics: Annotated[tuple[str, ...] | None, Argument(metavar="FILE")] = setting(
        None, "critic files, or folders that hold one, to enter beside resnet and the draws; default: none"
    )
    architecture: str = setting("resnet", f"the generator that trains against each critic: {FILE}; or resnet, dcgan")
    verdict: bool = setting(False, "compare the winner with resnet, on seeds that chose nothing")
    num_verdict_seeds: Annotated[int, Field(ge=2, le=1000)] = setting(10, "new seeds for --verdict")
    device: Device = setting("auto", "where to compute")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from functools import partial

    from degas.cli.parse import command_line
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.runtime.environment import write_environment
    from degas_lab.ahead import makes_one, side_by_side
    from degas_lab.critics.contest import CriticContest
    from degas_lab.trainings.scorer import Scorer

    options.schedule  # noqa: B018 - rejects an invalid schedule before reading anything
    images = load_images(options.source, options.data, options.out)
    with side_by_side(options), Engine(options.gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        say = partial(print, flush=True)  # print each training at once, also into a file
        contest = CriticContest(
            images, options.architecture, options.critics or (), options, options.out, scorer, engine=engine, say=say
        )
        if not makes_one():
            write_environment(options.out, command_line())
        outcome = contest.run()
        found = contest.judge(outcome, options.num_verdict_seeds) if options.verdict else {"comparisons": []}
    assert outcome.winner is not None
    tell(options, contest.candidates[outcome.winner], found)


def tell(options: Options, chosen: CriticCandidate, found: dict[str, Any]) -> None:
    """Print the winner, its file, and what the verdict, if there is one, found."""
    from degas_lab.contest.verdict import in_words

    stages = " | ".join(", ".join((stage.down, *stage.normal)) for stage in chosen.layout.stages)
    print(f"\nwinner  {chosen.name}: {stages}")
    print(f"critic  {options.out / 'critic.json'}")
    if options.verdict and not found["comparisons"]:
        print("resnet, the default, won the contest; there is nothing to compare it with")
    for comparison in found["comparisons"]:
        print(f"at equal processor time: {in_words(comparison)}")
