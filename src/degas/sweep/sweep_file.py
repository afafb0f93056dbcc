"""The file of a sweep: TOML → a plan, or one line with file, line, problem and what to write instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from degas.errors import UserError, nearest, unreadable
from degas.sweep.plan import COMMANDS, STOP, TRAINS, Halving, Plan, Value, make_trials

KEYS = ("command", "import", "options", "grid", "list", "halving")
HALVING_KEYS = ("marks", "keep", "block", "score")
OURS = {
    "out": "degas sweep names every run folder",
    "resume": "degas sweep resumes by itself",
    "generator": "degas sweep measures the trial's own",
    "dry-run": "give --dry-run to degas sweep",
    STOP: "write [halving] with marks",
}
EXAMPLE = "[grid] with, for example, seed = [0, 1, 2]"
QUOTED = 'write a key with a dot in quotes beside a key of its first word, as "data.max-images" = 2000'
HINTS = {  # words of tomllib's messages → what to write
    "overwrite a value": f"each key once; {QUOTED}",
    "mutate immutable": QUOTED,
    "already-defined": QUOTED,
    "cannot declare": "put both tables into one",
    "invalid value": "text stands in quotes, a list in [ ], true and false without quotes",
    "'=' after a key": 'write key = "text", key = 3 or key = [1, 2]',
    "']' at the end": "write [grid]",
    "unclosed array": "close the list with ]",
    "illegal character": "text stands in one line, between quotes",
    "unescaped": "write text with \\ between single quotes",
}
MAX_TRIALS = 100_000


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep's file; raises `UserError` if it cannot be read or is no plan."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = tomllib.loads(text.replace("\r\n", "\n"))
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}{_toml_problem(str(error))}") from None
    return SweepFile(path, text, content)


class SweepFile:
    """The content of a sweep's file, with the line of each key for messages.

    Attributes:
        plan: what the file asks for.
    """

    def __init__(self, path: Path, text: str, content: Mapping[str, Any]) -> None:
        self.path, self._lines = path, key_lines(text)
        self._content = content
        for key in content:
            if key not in KEYS:
                self.fail(key, f"unknown key {key!r}{nearest(key, KEYS)}")
        self.plan = self._plan()

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise `UserError` with the line of `key`, such as `grid.gan.width`, or of its table, if the file has it."""
        line = self._lines.get(key) or self._lines.get(key.partition(".")[0])
        place = f", line {line}" if line else ""
        raise UserError(f"{self.path}{place}: {problem}")

    def fail_with(self, message: str) -> NoReturn:
        """Raise `UserError` with a command's `message`, and the line of the option that it names first."""
        named = re.search(r"--([a-z][\w.-]*)", message)
        option = named[1].replace("_", "-") if named else ""
        keys = [key for key in self._lines if option and _canonical(key.partition(".")[2]) == option]
        self.fail(keys[0] if keys else "", message)

    def _plan(self) -> Plan:
        commands = self._commands()
        shared = self._settings("options", self._table("options"))
        grid = {key: self._values(key, value) for key, value in self._settings("grid", self._table("grid")).items()}
        entries = self._entries(grid)
        if not grid and not entries:
            raise UserError(f"{self.path}: has neither [grid] nor [[list]]; write {EXAMPLE}")
        count = max(1, len(entries))
        for values in grid.values():
            count *= len(values)
        if count > MAX_TRIALS:
            self.fail("grid", f"gives {count:,} trials, more than {MAX_TRIALS:,}; leave out values")
        try:
            trials = make_trials(shared, grid, entries)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from None
        plan = Plan(commands, trials, imports=self._imports())
        return Plan(commands, trials, self._halving(plan), plan.imports) if "halving" in self._content else plan

    def _commands(self) -> tuple[str, ...]:
        given = self._content.get("command", "run")
        commands = [given] if isinstance(given, str) else given
        if not isinstance(commands, list) or not commands or not all(isinstance(word, str) for word in commands):
            self.fail("command", 'command is text or a list of texts; write command = "run" or ["train", "evaluate"]')
        for word in commands:
            if word not in COMMANDS:
                self.fail("command", f"no trial can be degas {word}{nearest(word, COMMANDS)}")
        if len(set(commands)) < len(commands):
            self.fail("command", "command names one twice; leave one of them out")
        if commands[0] == "evaluate":
            self.fail("command", 'a trial makes a generator first; write command = ["train", "evaluate"]')
        return tuple(commands)

    def _imports(self) -> tuple[str, ...]:
        given = self._content.get("import", [])
        modules = [given] if isinstance(given, str) else given
        if not isinstance(modules, list) or not all(isinstance(module, str) and module for module in modules):
            self.fail("import", 'import is a module or a list of modules; write import = "my_networks.py"')
        return tuple(modules)

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self._content.get(name, {})
        if not isinstance(table, dict):
            self.fail(name, f"{name} is a table; write [{name}] on a line of its own, and its settings below")
        return table

    def _settings(self, place: str, table: Mapping[str, Any]) -> dict[str, Value]:
        """The settings of a table, `gan.width` and a table `gan` alike, in the order of the file."""
        found: dict[str, Value] = {}
        for key, value in _flat(table):
            name = _canonical(key)
            if name in OURS:
                self.fail(f"{place}.{key}", f"{key} is not for a sweep's file: {OURS[name]}; leave it out")
            if name in found:
                self.fail(f"{place}.{key}", f"{key} is given twice; - and _ are the same")
            if not _is_value(value):
                what = "an empty list" if value == [] else f"a {type(value).__name__}"
                self.fail(f"{place}.{key}", f"{key} is {what}; write text, a number, true or false, or a list of these")
            found[name] = value
        return found

    def _values(self, key: str, value: Value) -> list[Value]:
        if not isinstance(value, list):
            self.fail(
                self._grid_key(key), f"{key} has one value; write {key} = [{_toml(value)}], or put it into [options]"
            )
        distinct = list({repr(entry): entry for entry in value}.values())
        if len(distinct) < len(value):
            self.fail(self._grid_key(key), f"{key} has a value twice; leave one of them out")
        return value

    def _grid_key(self, key: str) -> str:
        return next((line for line in self._lines if line.startswith("grid.") and _canonical(line[5:]) == key), "grid")

    def _entries(self, grid: Mapping[str, Any]) -> list[dict[str, Value]]:
        given = self._content.get("list", [])
        if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
            self.fail("list", "list is one or more tables; write [[list]] on a line of its own, and its settings below")
        entries = []
        for number, entry in enumerate(given):
            settings = self._settings(f"list[{number}]", entry)
            for key in settings:
                if key in grid:
                    self.fail(f"list[{number}].{key}", f"{key} is in [grid] too; leave it out of one of the two")
            if not isinstance(settings.get("name", "x"), str):
                self.fail(f"list[{number}].name", f'name is text; write name = "{settings["name"]}"')
            entries.append(settings)
        return entries

    def _halving(self, plan: Plan) -> Halving:
        table = self._table("halving")
        for key in table:
            if key not in HALVING_KEYS:
                self.fail(f"halving.{key}", f"unknown key {key!r}{nearest(key, HALVING_KEYS)}")
        if not set(plan.commands) & set(TRAINS):
            self.fail("halving", f'halving needs a training; write command = "run", not {plan.commands[0]!r}')
        marks = self._marks(table)
        halving = Halving(marks, self._keep(table, len(marks) - 1), self._block(table, plan), self._score(table, plan))
        self._reject_other_steps(plan, marks[-1])
        return halving

    def _marks(self, table: Mapping[str, Any]) -> tuple[int, ...]:
        marks = table.get("marks")
        good = isinstance(marks, list) and len(marks) > 1 and all(type(m) is int and m > 0 for m in marks)
        if not isinstance(marks, list) or not good or sorted(set(marks)) != marks:
            self.fail("halving.marks", "marks are two or more rising generator steps; write marks = [500, 1000, 2000]")
        return tuple(marks)

    def _keep(self, table: Mapping[str, Any], count: int) -> tuple[float, ...]:
        given = table.get("keep", 0.5)
        keep = given if isinstance(given, list) else [given] * count
        good = all(type(k) in (int, float) and (0 < k < 1 or (k >= 1 and k == int(k))) for k in keep)
        if not good or len(keep) != count:
            self.fail(
                "halving.keep", f"keep is a share or a number for each mark but the last ({count}); write keep = 0.5"
            )
        return tuple(keep)

    def _block(self, table: Mapping[str, Any], plan: Plan) -> str:
        block = table.get("block", "seed")
        if not isinstance(block, str) or any(block not in trial.settings for trial in plan.trials):
            self.fail(
                "halving.block", f"not every trial has the setting {block!r}; write {block} = [0, 1, 2] in [grid]"
            )
        from degas.sweep.halving import uneven_block

        if (problem := uneven_block(plan.trials, block)) is not None:
            self.fail("halving.block", problem)
        return block

    def _score(self, table: Mapping[str, Any], plan: Plan) -> str | None:
        score = table.get("score")
        if score is not None and (not isinstance(score, str) or not score):
            self.fail("halving.score", 'score is a name in scores.json; write score = "fid_5k_train[imagenet]"')
        if "run" not in plan.commands and "evaluate" not in plan.commands:
            self.fail("halving", 'halving needs scores; write command = ["train", "evaluate"] or "run"')
        return score

    def _reject_other_steps(self, plan: Plan, last: int) -> None:
        for trial in plan.trials:
            total = trial.settings.get("gan.num-steps", last)
            if type(total) is not int or total < last:
                self.fail("halving.marks", f"the last mark, {last}, is beyond gan.num-steps ({total}); lower it")
            if trial.settings.get("gan.grow", "none") != "none":
                self.fail("halving", "a training with gan.grow makes smaller images at early marks; leave out gan.grow")


def key_lines(text: str) -> dict[str, int]:
    """The line, from 1, of every table and key of a TOML text: `grid`, `grid.gan.width`, `list[0].name`.

    Values over several lines are skipped only as far as their lines do not look like a key; this serves messages.
    """
    lines: dict[str, int] = {}
    head, count = "", -1
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$", line):
            name = _unquoted(match[2])
            if match[1] == "[[":
                count += 1
                lines.setdefault(name, number)
                name = f"{name}[{count}]"
            head = name
            lines.setdefault(head, number)
        elif match := re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line):
            key = _unquoted(match[1])
            lines.setdefault(f"{head}.{key}" if head else key, number)
    return lines


def _unquoted(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in re.split(r"\.(?=(?:[^\"']|\"[^\"]*\"|'[^']*')*$)", key))


def _flat(table: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = f"{head}.{key}" if head else key
        if isinstance(value, dict):
            yield from _flat(value, name)
        else:
            yield name, value


def _canonical(key: str) -> str:
    return key.strip().removeprefix("--").replace("_", "-")


def _is_value(value: Any, depth: int = 0) -> bool:
    if isinstance(value, list):
        return depth < 2 and bool(value) and all(_is_value(entry, depth + 1) for entry in value)
    return isinstance(value, str | int | float)


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _toml_problem(said: str) -> str:
    """tomllib's message with the place first, and what to write: `, line 3, column 8: invalid value; …`."""
    match = re.fullmatch(r"(.*?) \(at (?:(line \d+, column \d+)|end of document)\)", said, re.DOTALL)
    what, place = (match[1], match[2] or "at its end") if match is not None else (said, "")
    what = f"{what[:1].lower()}{what[1:]}"
    hint = next((hint for words, hint in HINTS.items() if words in what), "docs/sweep.md has examples")
    return f"{', ' if place else ''}{place}: {what}; {hint}"
