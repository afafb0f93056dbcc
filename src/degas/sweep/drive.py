"""The driver of a sweep: starts what is waiting, notes every end on disk, and writes the table.

All that it decides follows from the plan and the noted ends (`outcomes`), so that a driver that was killed at any
moment loses nothing but the trials of that moment, whose run folders the next driver resumes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.runtime.folder_lock import owned_folder
from degas.runtime.json_files import write_json
from degas.sweep.display import Display, last_line
from degas.sweep.halving import as_json
from degas.sweep.orders import Waiting, drain
from degas.sweep.outcomes import (
    Ended,
    Job,
    Outcomes,
    decided,
    described,
    score_value,
    scores_of,
    status_of,
    table,
    waiting_jobs,
)
from degas.sweep.plan import Plan, command_lines, num_jobs
from degas.sweep.pool import Attempt, Pool
from degas.sweep.trial_process import MAIN, Order


@dataclass(frozen=True)
class Setup:
    """How a sweep runs; none of it changes the table, except `threads`, on which the last bits of sums depend.

    Attributes:
        known: the options of each command (`plan.command_lines`).
        threads: of each trial.
        retry: start failed and rejected trials again.
        main: what runs a command (`trial_process.Order.main`).
    """

    known: Mapping[str, frozenset[str]]
    threads: int = 1
    retry: bool = False
    quiet: bool = False
    main: str = MAIN


def run_sweep(plan: Plan, folder: Path, setup: Setup, make_pool: Callable[[], Pool]) -> list[dict[str, Any]]:
    """Run every trial of `plan` in `folder`, and return the rows of table.json.

    Ended trials are not run again, and unfinished ones are resumed. Raises `UserError` if another driver owns the
    folder, or it holds another sweep; `Terminated` or `Interrupted` after a signal, once the trials have saved.
    """
    folder = folder.absolute()
    with owned_folder(folder):
        content = described(folder, plan)
        outcomes = Outcomes(folder, plan.trials)
        if setup.retry:
            outcomes.forget_failures()
        pool = make_pool() if waiting_jobs(plan, outcomes.ended) else None
        write_json(folder / "sweep.json", content)  # nothing is written before everything was checked
        if pool is not None:
            _Driver(plan, folder, setup, outcomes).run(pool)
        return write_table(plan, folder, outcomes)


def write_table(plan: Plan, folder: Path, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Write table.json, and halving.json with [halving]; the same ends give the same bytes."""
    rows = table(plan, outcomes.ended)
    write_json(folder / "table.json", rows)
    if plan.halving is not None:
        write_json(folder / "halving.json", as_json(decided(plan, outcomes.ended)))
    return rows


class _Driver:
    def __init__(self, plan: Plan, folder: Path, setup: Setup, outcomes: Outcomes) -> None:
        self.plan, self.folder, self.setup, self.outcomes = plan, folder, setup, outcomes
        self.attempts: dict[str, int] = {}
        self.jobs: dict[str, Job] = {}

    def run(self, pool: Pool) -> None:
        """Start and note trials until none waits."""
        ended = sum(len(marks) for marks in self.outcomes.ended.values())
        total = num_jobs(self.plan)
        display = Display(total, ended, pool.num_places, self.folder / "logs", quiet=self.setup.quiet)
        drain(pool, display, self._waiting, partial(self._note, display))

    def _waiting(self) -> Waiting:
        self.jobs = {job.trial.name: job for job in waiting_jobs(self.plan, self.outcomes.ended)}
        return [(name, partial(self._order, job)) for name, job in self.jobs.items()]

    def _order(self, job: Job) -> Order:
        name, run = job.trial.name, self.folder / "runs" / job.trial.name
        return Order(
            commands=command_lines(self.plan, job.trial, job.mark, run, self.setup.known),
            folder=os.getcwd(),
            log=str(self.folder / "logs" / f"{name}.txt"),
            lock=str(self.folder / "locks" / name),
            threads=self.setup.threads,
            main=self.setup.main,
        )

    def _note(self, display: Display, attempt: Attempt) -> None:
        """Note how an attempt ended; a failed one stays waiting until it has been tried often enough."""
        name = attempt.name
        job = self.jobs[name]
        count = self.attempts[name] = self.attempts.get(name, 0) + 1
        status = status_of(attempt.exit_status, count)
        said = "" if attempt.exit_status == 0 else last_line(self.folder / "logs" / f"{name}.txt")
        if status is None:
            display.ended(name, "again", attempt.seconds, f"ended with status {attempt.exit_status}: {said}")
            return
        scores = self._scores(job) if status == "done" else {}
        self.outcomes.add(job, Ended(status, attempt.exit_status, count, attempt.seconds, scores))
        self.attempts.pop(name)
        write_table(self.plan, self.folder, self.outcomes)
        display.ended(name, status, attempt.seconds, said or _in_words(scores))

    def _scores(self, job: Job) -> dict[str, Any]:
        scores = scores_of(self.folder / "runs" / job.trial.name, self.plan.commands)
        halving = self.plan.halving
        if halving is not None and halving.score is not None and halving.score not in scores:
            raise UserError(
                f"halving.score: {halving.score!r} is none of the scores ({', '.join(scores)}); name one of them"
            )
        return scores


def _in_words(scores: Mapping[str, Any]) -> str:
    name = next(iter(scores), None)
    value = score_value(scores, name)
    return "" if value is None else f"{name} {value:.4g}"
