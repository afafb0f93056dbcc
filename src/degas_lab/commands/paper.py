"""`degas experiment paper`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from degas.cli.arguments import Argument
from degas.cli.options import Device, Folder
from degas.cli.pools import Pooled
from degas.settings.base import setting

if TYPE_CHECKING:
    from degas_lab.paper.runner import PaperTable

__all__ = ["Options", "main"]

SRC = Annotated[str | None, Argument(metavar="SRC")]


class Options(Pooled):
    """Make a table of the paper, from data to finished table, trial by trial.

    States its expected hours before it starts. Writes FOLDER/searches and FOLDER/runs (run folders), FOLDER/trials (one
    JSON file per trial), table-N.json and table-N.md. A second call continues; tables in one folder share searches.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment paper --table 1 --scale smoke --out runs/smoke",
        "degas experiment paper --table 4 --scale small --out runs/tables --cifar10 CIFAR-10-JPEG/train",
        "degas experiment paper --table 3 --scale paper --out runs/tables --cifar10 cifar-10-binary.tar.gz "
        "--stl10 stl10_binary.tar.gz --plan",
    )
    table: Literal["1", "2", "3", "4", "celeba", "figure3"] = setting(..., "table of the paper, or its other results")
    scale: Literal["smoke", "small", "paper"] = setting(
        ..., "smoke: tiny files that it writes itself; small: for two cores; paper: the paper's protocol, for a GPU"
    )
    out: Folder = setting(..., "folder of the tables")
    cifar10: SRC = setting(None, "CIFAR-10; default: tiny files, with smoke only")
    stl10: SRC = setting(None, "STL-10; default: tiny files, with smoke only")
    celeba: SRC = setting(None, "CelebA; default: tiny files, with smoke only")
    seeds: tuple[int, ...] = setting((), "seeds; default: the scale's")
    plan: bool = setting(False, "print rows, commands and expected hours; make no trial")
    summary: bool = setting(False, "make no trial; only write the table of the finished ones")
    device: Device = setting("auto", "where to compute; auto: the GPU if there is one")


def main(options: Options) -> None:
    from dataclasses import replace

    from degas.errors import UserError
    from degas_lab.ahead import makes_one, side_by_side
    from degas_lab.paper.runner import PaperTable
    from degas_lab.paper.scales import SCALES
    from degas_lab.paper.summary import write_summary

    scale = SCALES[options.scale]
    scale = replace(scale, seeds=tuple(dict.fromkeys(options.seeds))) if options.seeds else scale
    sources = _sources(options)
    table = PaperTable(options.table, options.scale, scale, sources, options.out, device=options.device)
    if not options.summary and not makes_one():
        table.check_weights()
        if not options.quiet:
            print(f"table {options.table}, {options.scale} ({scale.about})")
            tell_hours(table)
    if options.plan:
        tell_commands(table)
        return
    with side_by_side(options):
        problems = [] if options.summary else table.measure()
    print(write_summary(options.table, table.trials.records(), options.out), end="")
    if problems:
        raise UserError(f"{len(problems)} trials were not made, and the same command tries again: {problems[0]}")


def tell_hours(table: PaperTable) -> None:
    """Print how many trials are missing, and their expected hours by kind."""
    from degas_lab.paper.cost import expected_hours

    hours = expected_hours(table)
    parts = ", ".join(f"{name} {value:.2g}" for name, value in hours.items())
    total = f"{sum(hours.values()):.2g} ({parts})"
    print(f"{len(table.missing())} trials to make; expected hours on this machine: {total}")


def tell_commands(table: PaperTable) -> None:
    """Print the commands that make the first seed's searches and rows by hand."""
    from degas_lab.paper.commands import row_commands, search_command

    given = (table.scale.seeds[0], table.scale, table.sources)
    for search in table.searches:
        print(search_command(search, *given))
    for row in table.rows:
        print("\n".join(row_commands(row, *given)))


def _sources(options: Options) -> dict[str, str]:
    """Data set → SRC of those that the table needs; `smoke` writes tiny official files for those not given."""
    from degas.errors import UserError
    from degas_lab.paper.rows import data_sets_of

    found = {}
    for name in data_sets_of(options.table):
        given = getattr(options, name)
        if given is None and options.scale != "smoke":
            raise UserError(f"--{name}: table {options.table} needs it; give the archive, its folder, or another SRC")
        if given is None:
            from degas_lab.paper.tiny_files import write_tiny

            given = str(write_tiny(name, options.out / "data"))
        found[name] = given
    return found
