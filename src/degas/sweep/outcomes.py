"""How trials ended, as files: one per trial, written once an end is certain. The table is made of these alone.

DIR/sweep.json           the plan                    DIR/outcomes/NAME.json   how a trial ended, mark by mark
DIR/runs/NAME            run folders                 DIR/logs/NAME.txt        what its commands printed
DIR/table.json           one row a trial             DIR/halving.json         every decision, with [halving]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.runtime.json_files import number, read_jsonl, read_object, write_json
from degas.sweep.halving import Rung, rungs
from degas.sweep.plan import Plan, Trial

REJECTED = 2  # the exit status of a command whose input is wrong: the same again would end the same
ATTEMPTS = 3  # anything else is tried twice more
Marks = dict[int, "Ended"]


@dataclass(frozen=True)
class Ended:
    """The end of a trial at a mark. `scores`: as in scores.json. `seconds`: of the attempt that ended it."""

    status: str  # done, failed, rejected
    exit_status: int
    attempts: int
    seconds: float
    scores: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A trial to be run up to a mark (0 without halving)."""

    trial: Trial
    mark: int


class Outcomes:
    """The ended trials of the sweep in `folder`, in memory and on disk: trial → mark → `Ended`."""

    def __init__(self, folder: Path, trials: Sequence[Trial]) -> None:
        self.folder = folder
        self.ended: dict[str, Marks] = {}
        for trial in trials:
            path = self._path(trial.name)
            if path.exists():
                self.ended[trial.name] = _read(path)

    def add(self, job: Job, ended: Ended) -> None:
        """Note the end of a job on disk before anything is decided by it."""
        marks = self.ended.setdefault(job.trial.name, {})
        marks[job.mark] = ended
        self._path(job.trial.name).parent.mkdir(exist_ok=True)
        write_json(self._path(job.trial.name), {str(mark): vars(one) for mark, one in sorted(marks.items())})

    def forget_failures(self) -> int:
        """Let failed and rejected trials run again; return their number."""
        bad = [name for name, marks in self.ended.items() if any(one.status != "done" for one in marks.values())]
        for name in bad:
            kept = {mark: one for mark, one in self.ended[name].items() if one.status == "done"}
            self.ended[name] = kept
            write_json(self._path(name), {str(mark): vars(one) for mark, one in sorted(kept.items())})
        return len(bad)

    def _path(self, name: str) -> Path:
        return self.folder / "outcomes" / f"{name}.json"


def status_of(exit_status: int, attempts: int) -> str | None:
    """`done`, `rejected`, `failed`, or None: to be tried again."""
    if exit_status == 0:
        return "done"
    if exit_status == REJECTED:
        return "rejected"
    return "failed" if attempts >= ATTEMPTS else None


def waiting_jobs(plan: Plan, ended: Mapping[str, Marks]) -> list[Job]:
    """The jobs that are to be run now, in the order of the plan; running ones included."""
    if plan.halving is None:
        return [Job(trial, 0) for trial in plan.trials if 0 not in ended.get(trial.name, {})]
    rung = decided(plan, ended)[-1]
    by_name = {trial.name: trial for trial in plan.trials}
    return [Job(by_name[name], rung.mark) for name in rung.trials if rung.mark not in _scores(plan, ended, name)]


def decided(plan: Plan, ended: Mapping[str, Marks]) -> list[Rung]:
    """The rungs of a plan with halving, as far as they are decided."""
    assert plan.halving is not None
    scores = {trial.name: _scores(plan, ended, trial.name) for trial in plan.trials}
    return rungs(plan.trials, plan.halving, scores)


def table(plan: Plan, ended: Mapping[str, Marks]) -> list[dict[str, Any]]:
    """table.json: a row for each trial of the plan, in its order: name, settings, status, scores.

    `status`: done; failed; rejected (exit status 2); dropped (by halving, at `mark`); waiting. Scores are those of the
    last mark that the trial reached, in the form of scores.json.
    """
    dropped = _dropped(plan, ended)
    rows = []
    for trial in plan.trials:
        marks = ended.get(trial.name, {})
        last = max(marks, default=0)
        one = marks.get(last)
        status = "waiting" if one is None else one.status
        if status == "done" and last != plan.marks[-1]:
            status = "dropped" if trial.name in dropped else "waiting"
        row: dict[str, Any] = {"name": trial.name, "settings": dict(trial.settings), "status": status}
        row |= {"mark": last} if plan.halving is not None else {}
        rows.append({**row, "scores": dict(one.scores) if one is not None else {}})
    return rows


def scores_of(folder: Path, commands: Sequence[str]) -> dict[str, Any]:
    """The scores of a finished trial: those of scores.json, or the loss of a search (`search_loss`); {} without any.

    Raises `UserError` for a damaged file.
    """
    path = folder / "evaluation" / "scores.json"
    if commands[-1] in ("run", "evaluate"):
        found = read_object(path, missing=f"{path}: is missing", advice="remove the run folder, and start again")
        scores = found.get("scores")
        return dict(scores) if isinstance(scores, dict) else {}
    if commands[-1] == "search":
        losses = [number(record.get("epoch_loss")) for record in read_jsonl(folder / "search" / "metrics.jsonl")]
        known = [loss for loss in losses if loss is not None]
        return {"search_loss": {"value": known[-1]}} if known else {}
    return {}


def score_value(scores: Mapping[str, Any], name: str | None) -> float | None:
    """The score that decides: `name`, or the first; None if there is none or it is not finite."""
    entry = scores.get(name) if name is not None else next(iter(scores.values()), None)
    return number(entry.get("value")) if isinstance(entry, Mapping) else None


def _scores(plan: Plan, ended: Mapping[str, Marks], name: str) -> dict[int, float | None]:
    """Mark → the deciding score of a trial; None where it failed, or its score is no finite number."""
    assert plan.halving is not None
    found: dict[int, float | None] = {}
    for mark in plan.halving.marks:
        one = ended.get(name, {}).get(mark)
        if one is None:
            break
        found[mark] = score_value(one.scores, plan.halving.score) if one.status == "done" else None
    return found


def _dropped(plan: Plan, ended: Mapping[str, Marks]) -> set[str]:
    if plan.halving is None:
        return set()
    standings = [one for rung in decided(plan, ended) if rung.standings is not None for one in rung.standings]
    return {name for one in standings if not one.kept for name in one.trials}


def _read(path: Path) -> Marks:
    found = read_object(path, missing=f"{path}: is missing", advice="remove it; the trial is then run again")
    try:
        return {int(mark): Ended(**values) for mark, values in found.items()}
    except (TypeError, ValueError):
        raise UserError(f"{path}: is no outcome of a trial; remove it, and the trial is run again") from None


def described(folder: Path, plan: Plan) -> dict[str, Any]:
    """The content of DIR/sweep.json; raises `UserError` if the folder holds trials with these names and other settings.

    Trials may be added, and others left out: those keep their run folders, and are not in the table.
    """
    path = folder / "sweep.json"
    new: dict[str, Any] = json.loads(json.dumps(_described(plan)))
    if path.exists():
        old = read_object(path, missing="", advice="give another --out")
        _reject_other(folder, old, new)
        new["trials"] = {**old["trials"], **new["trials"]}
    elif any(folder.glob("*/config.json")):
        raise UserError(f"{folder}: holds a run, not a sweep; give another --out")
    return new


def _reject_other(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in ("commands", "imports", "halving"):
        if old.get(key) != new[key]:
            raise UserError(
                f"{folder}: holds a sweep with other {key}: {json.dumps(old.get(key))} there, {json.dumps(new[key])} "
                "in the file; give another --out"
            )
    known = old.get("trials")
    for name, settings in new["trials"].items():
        there = known.get(name, settings) if isinstance(known, dict) else settings
        for key in [*there, *settings]:
            if there.get(key) != settings.get(key):
                raise UserError(
                    f"{folder}: holds trial {name} with {key} {json.dumps(there.get(key))}, not "
                    f"{json.dumps(settings.get(key))}; give another --out"
                )


def _described(plan: Plan) -> dict[str, Any]:
    halving = None if plan.halving is None else vars(plan.halving)
    trials = {trial.name: dict(trial.settings) for trial in plan.trials}
    return {"commands": plan.commands, "imports": plan.imports, "halving": halving, "trials": trials}
