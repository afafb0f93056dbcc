"""The plan of a sweep: its trials, the marks at which they are compared, and their commands. Pure functions.

A trial is one or more ordinary commands on one run folder; its settings are options of these commands.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.errors import UserError

Value = Any  # a TOML value: text, number, boolean, or a list of these
Settings = Mapping[str, Value]  # option without dashes, such as `gan.num-steps` → value
COMMANDS = ("run", "search", "train", "evaluate")  # that a trial may consist of
TRAINS = ("run", "train")
RESUMED = ("search", "train")  # take --resume; `run` continues without it
STOP = "gan.stop-step"
TOTAL = "gan.num-steps"
LONGEST_NAME = 100  # characters; a file name has at most 255 bytes


@dataclass(frozen=True)
class Halving:
    """Trials are stopped at each of `marks` (generator steps), and only the best continue.

    Attributes:
        marks: ascending; the last one ends a trial.
        keep: configurations that continue after each mark but the last: a number, or a share between 0 and 1.
        block: the setting within whose values trials are compared.
        score: the protocol in scores.json that decides, lower is better; None: the first one.
    """

    marks: tuple[int, ...]
    keep: tuple[float, ...]
    block: str = "seed"
    score: str | None = None


@dataclass(frozen=True)
class Trial:
    """A name, which is also that of its run folder, and all settings, shared ones included."""

    name: str
    settings: Settings


@dataclass(frozen=True)
class Plan:
    """All trials of a sweep, in the order of its file. `imports`: modules that every command imports first."""

    commands: tuple[str, ...]
    trials: tuple[Trial, ...]
    halving: Halving | None = None
    imports: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[int, ...]:
        """The marks at which trials end or pause; (0,) without halving, where a trial has one end."""
        return self.halving.marks if self.halving is not None else (0,)


def make_trials(
    shared: Settings, grid: Mapping[str, Sequence[Value]], entries: Sequence[Settings]
) -> tuple[Trial, ...]:
    """Every entry combined with every combination of the grid; of the grid, the last key changes fastest.

    An entry may have a `name`. A name is made of the settings in which trials can differ, so that adding values to the
    grid leaves the names of present trials as they are. Raises `UserError` if two trials have the same settings.
    """
    short = _short_names([*grid, *(key for entry in entries for key in entry if key != "name")])
    trials: list[Trial] = []
    for entry in entries or [{}]:
        own = {key: value for key, value in entry.items() if key != "name"}
        head = [str(entry["name"])] if "name" in entry else [f"{short[key]}={_text(v)}" for key, v in own.items()]
        for chosen in _combinations(grid):
            words = [*head, *(f"{short[key]}={_text(value)}" for key, value in chosen.items())]
            trials.append(Trial(",".join(words) or "trial", {**shared, **own, **chosen}))
    _reject_twins(trials)
    names = [_file_name(trial.name) for trial in trials]
    clear = [len(name) <= LONGEST_NAME and names.count(name) == 1 for name in names]
    return tuple(
        Trial(name if good else f"{name[: LONGEST_NAME - 9]}-{_digest(trial.settings)}", trial.settings)
        for name, good, trial in zip(names, clear, trials, strict=True)
    )


def command_lines(
    plan: Plan, trial: Trial, mark: int, folder: Path, known: Mapping[str, frozenset[str]]
) -> list[list[str]]:
    """The words after `degas` of every command of a trial, up to `mark`, with the run folder `folder`.

    `known`: the options of each command. Among several commands each gets those that it has; the first gets all that
    none has, and rejects them.
    """
    settings: dict[str, Value] = dict(trial.settings)
    if plan.halving is not None:
        settings = {TOTAL: plan.halving.marks[-1], **settings, STOP: mark}
    foreign = {key for key in settings if not any(key in names for names in known.values())}
    lines = []
    for command in plan.commands:
        first = command == plan.commands[0]
        mine = {k: v for k, v in settings.items() if k in known[command] or (first and k in foreign)}
        words = [command, *(word for module in plan.imports for word in ("--import", module))]
        words += [word for key, value in mine.items() for word in option_words(key, value)]
        words += ["--generator", str(folder)] if command == "evaluate" else []
        lines.append([*words, "--out", str(folder), *(["--resume"] if command in RESUMED else [])])
    return lines


def option_words(key: str, value: Value) -> list[str]:
    """A setting as typed: `--gan.width=16`, `--gan.betas 0.0 0.9`, `--gan.supervised`, `--gan.no-supervised`."""
    if isinstance(value, bool):
        head, dot, last = key.rpartition(".")
        return [f"--{key}" if value else f"--{head}{dot}no-{last}"]
    if isinstance(value, list):
        return [f"--{key}", *map(str, value)]
    return [f"--{key}={value}"]


def num_jobs(plan: Plan) -> int:
    """The number of times that a trial is started, if none fails: once per trial, or once per trial and mark."""
    if plan.halving is None:
        return len(plan.trials)
    blocks = len({_key(trial.settings[plan.halving.block]) for trial in plan.trials})
    configurations = len(plan.trials) // blocks
    count = configurations
    for keep in plan.halving.keep:
        configurations = num_kept(keep, configurations)
        count += configurations
    return count * blocks


def num_kept(keep: float, entrants: int) -> int:
    """How many of `entrants` continue: a number of them, or a share, rounded up; at least one."""
    wanted = int(keep) if keep >= 1 else math.ceil(keep * entrants - 1e-9)  # 0.07 · 100 is a little above 7
    return max(1, min(entrants, wanted))


def configuration(trial: Trial, block: str) -> str:
    """The identity of a trial's settings without the block's."""
    return _key({name: value for name, value in trial.settings.items() if name != block})


def _combinations(grid: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _reject_twins(trials: Sequence[Trial]) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        key = _key(trial.settings)
        if key in seen:
            raise UserError(f"trials {seen[key]} and {trial.name} have the same settings; leave one of them out")
        seen[key] = trial.name


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """`gan.width` → `width`, unless another setting's name ends in the same word."""
    distinct = dict.fromkeys(keys)
    last = [key.rpartition(".")[2] for key in distinct]
    return {key: word if last.count(word) == 1 else key for key, word in zip(distinct, last, strict=True)}


def _text(value: Value) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _file_name(name: str) -> str:
    """`name` with everything but letters, digits and `.,=+-_` as `-`, and no dot or dash in front."""
    return re.sub(r"[^\w.,=+-]+", "-", name).lstrip(".-") or "trial"


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(settings: Settings) -> str:
    return hashlib.sha256(_key(dict(settings)).encode()).hexdigest()[:8]
