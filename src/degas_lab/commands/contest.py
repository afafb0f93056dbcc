"""`degas contest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from degas.cli.arguments import Argument
from degas.cli.options import SOURCE, Device, Folder, Source
from degas.cli.pools import Pooled
from degas.settings.sections import DataSettings, setting
from degas_lab.contest.plan import Plan

if TYPE_CHECKING:
    from degas_lab.contest.candidates import Candidate

__all__ = ["Options", "main"]

SUMMARY = "let short adversarial trainings decide among what a search proposes"
LOWER = "--gan.width, --gan.batch-images or --data.image-size"
GOES_ON = "; the same command continues"
AGAINST = ("found", "random", "resnet", "degas-cifar10-nearest")


class Options(Plan, Pooled):
    """Let short adversarial trainings decide among the candidates that a finished search proposes.

    Writes FOLDER: candidates.json, trials (one JSON file per training), rungs.json, effects.json, architecture.json;
    with --verdict also verdict.json. The same command continues a stopped contest, and may run several times at once.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas contest --search runs/mine --data my-images --out runs/mine/contest",
        "degas contest --search runs/mine --data my-images --out runs/mine/contest --verdict",
    )
    search: Annotated[Path, Argument(metavar="RUN")] = setting(..., "run folder of a finished search")
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the contest, such as RUN/contest")
    verdict: bool = setting(False, "compare the winner with others, on seeds that chose nothing")
    against: Annotated[tuple[str, ...], Field(min_length=1)] = setting(
        AGAINST,
        "opponents of the winner in --verdict: found (by the search alone), random (the best of as many draws as the "
        "contest's time would train), resnet, dcgan, or an architecture by name or file",
    )
    num_verdict_seeds: Annotated[int, Field(ge=2, le=1000)] = setting(10, "new seeds for --verdict")
    device: Device = setting("auto", "where to compute")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from functools import partial

    from degas.cli.parse import command_line
    from degas.data.cache import cache_folder
    from degas.data.sources import load_images
    from degas.runtime.distributed import Engine
    from degas.runtime.environment import write_environment
    from degas_lab.ahead import makes_one, side_by_side
    from degas_lab.contest.judging import Judge
    from degas_lab.contest.runner import Contest
    from degas_lab.contest.search_files import read_search
    from degas_lab.trainings.scorer import Scorer

    options.schedule  # noqa: B018 - rejects an invalid schedule before reading anything
    search, space = read_search(options.search)
    images = load_images(options.source, options.data)
    with side_by_side(options), Engine(options.gan.precision, options.device) as engine:
        scorer = Scorer(images, options.evaluate, device=engine.device, cache=cache_folder(options.data))
        say = partial(print, flush=True)  # print each training at once, also into a file
        contest = Contest(images, search, space, options, options.out, scorer, engine=engine, say=say)
        judge = Judge(contest, options.against) if options.verdict else None
        if not makes_one():
            write_environment(options.out, command_line())
        outcome = contest.run()
        found = judge.judge(outcome, options.num_verdict_seeds) if judge else {"comparisons": [], "equal_time": []}
    assert outcome.winner is not None
    tell(options.out, outcome.winner, found)


def tell(folder: Path, winner: Candidate, found: dict[str, Any]) -> None:
    """Print the winner, its file, and the comparisons of the verdict, if there is one."""
    from degas_lab.contest.verdict import in_words

    print(f"\nwinner       {winner.name}, {winner.family}, {winner.num_parameters:,} parameters")
    print(f"architecture {folder / 'architecture.json'}")
    for comparison in found["comparisons"]:
        print(in_words(comparison))
    for comparison in found["equal_time"]:
        print(f"at equal processor time: {in_words(comparison)}")
