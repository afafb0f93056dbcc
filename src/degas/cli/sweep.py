"""`degas sweep`: many trials from one file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from degas.cli import commands  # not its find_command: a module with one is a family of commands
from degas.cli.arguments import options_of
from degas.cli.own_modules import import_own, with_own_settings
from degas.cli.parse import parse
from degas.cli.pools import make_pool
from degas.cli.tool_options import SweepOptions as Options
from degas.errors import UserError
from degas.sweep.outcomes import score_value
from degas.sweep.plan import Plan, command_lines
from degas.sweep.sweep_file import SweepFile, read_sweep

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    file = read_sweep(options.file)
    known = known_options(file.plan)
    check_commands(file, known, options.out)
    if options.dry_run:
        tell_plan(file.plan, known, options.out)
        return
    from degas.report.sweep import write_sweep_report
    from degas.sweep.drive import Setup, run_sweep

    setup = Setup(known, options.cpus_per_trial, options.retry, options.quiet)
    rows = run_sweep(file.plan, options.out, setup, partial(make_pool, options, options.out))
    print(table_in_words(rows))
    print(f"\ntable  {options.out / 'table.json'}")
    print(f"report {write_sweep_report(options.out)}")
    if problems := problems_in_words(rows, options.out):
        print(problems)


def known_options(plan: Plan) -> dict[str, frozenset[str]]:
    """The options of each command of the plan, without dashes in front."""
    import_own([word for module in plan.imports for word in ("--import", module)])
    return {command: _names(command) for command in plan.commands}


def _names(command: str) -> frozenset[str]:
    module, _, _ = commands.find_command([command])
    found = list(options_of(with_own_settings(module.Options, [])))
    names = {option.name.removeprefix("--") for option in found}
    return frozenset(names | {option.second_name.removeprefix("--") for option in found if option.second_name})


def check_commands(file: SweepFile, known: dict[str, frozenset[str]], out: Path) -> None:
    """Parse every command of every trial, so that a mistake is an error before the first trial begins."""
    for trial in file.plan.trials:
        for mark in file.plan.marks:
            for words in command_lines(file.plan, trial, mark, out / "runs" / trial.name, known):
                module, name, rest = commands.find_command(import_own(words))
                try:
                    parse(with_own_settings(module.Options, rest), name, rest)
                except UserError as error:
                    file.fail_with(f"trial {trial.name}: {error}")


def tell_plan(plan: Plan, known: dict[str, frozenset[str]], out: Path) -> None:
    from degas.sweep.plan import num_jobs

    for trial in plan.trials:
        lines = command_lines(plan, trial, plan.marks[0], out / "runs" / trial.name, known)
        print(trial.name, *(f"    degas {' '.join(words)}" for words in lines), sep="\n")
    print(f"\n{len(plan.trials)} trials{_halving_in_words(plan)}")
    if plan.halving is not None:
        print(f"{num_jobs(plan)} trainings from mark to mark, if none fails")


def _halving_in_words(plan: Plan) -> str:
    if plan.halving is None:
        return ""
    marks = ", ".join(f"{mark:,}" for mark in plan.halving.marks)
    return f"; compared within {plan.halving.block} after {marks} generator steps"


def table_in_words(rows: list[dict[str, Any]]) -> str:
    """A line for each trial: name, status, and its scores without those of real images (the floor)."""
    scores = list(dict.fromkeys(name for row in rows for name in row["scores"] if "_floor" not in name))
    cells = [["trial", "status", *scores]]
    for row in rows:
        values = [score_value(row["scores"], name) for name in scores]
        cells.append([row["name"], row["status"], *("" if value is None else f"{value:.4g}" for value in values)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_line(line, widths) for line in cells)


def _line(cells: list[str], widths: list[int]) -> str:
    words, numbers = cells[:2], cells[2:]
    left = [f"{cell:<{width}}" for cell, width in zip(words, widths, strict=False)]
    return "  ".join([*left, *(f"{c:>{w}}" for c, w in zip(numbers, widths[2:], strict=True))]).rstrip()


def problems_in_words(rows: list[dict[str, Any]], out: Path) -> str:
    """A line for each trial that failed or was rejected, with the file that says why; empty if there is none."""
    bad = [row for row in rows if row["status"] in ("failed", "rejected")]
    lines = [f"{row['status']:<8} {row['name']}: see {out / 'logs' / row['name']}.txt" for row in bad]
    return "\n".join(["", *lines, "degas sweep with --retry starts these again"]) if lines else ""
