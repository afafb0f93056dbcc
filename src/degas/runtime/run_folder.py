"""One stage's folder: owner, settings, logs, checkpoints. Imports without torch.

    RUN/search/  config.json  environment.json  metrics.jsonl  timing.jsonl  checkpoints/  done.json  .lock

A record with step s describes the s-th finished step and is logged before the checkpoint of step s is saved. A resumed
run cuts the logs back to the checkpoint's step, and ends with the same bytes as a run that was never stopped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from degas.errors import UserError
from degas.runtime.comparison import Rules, reject_difference
from degas.runtime.durable import append_line, full_disk_named, replace_file, sync_folder
from degas.runtime.environment import is_rank_0, num_ranks, ranks_at_start, write_environment
from degas.runtime.folder_lock import lock_folder, make_folder, take_back, unlock_folder
from degas.runtime.json_files import (
    as_json,
    keep_line,
    plain_number,
    read_config,
    read_jsonl,
    write_json,
)
from degas.runtime.paths import expanded
from degas.runtime.tracking import Tracker, distributions_of, numbers_of

_CLAIM = ("config.json", "environment.json")  # the content of a folder before any work is done
STAGES = ("search", "train", "evaluation")
STAGE_ENTRIES = (".lock", "environment.json", "done.json")  # besides config.json; a generator's folder has none of them
_RUN_ENTRIES = ("config.json", "done.json", "metrics.jsonl", "checkpoints")

__all__ = ["StageFolder", "holds_run", "read_jsonl", "write_environment", "write_json"]


def holds_run(path: Path) -> bool:
    """Return whether degas wrote the folder `path`, for a stage, a run or a measurement: then it is no image folder."""
    stages = (path, *(path / name for name in STAGES))
    return any(_is_stage(folder) for folder in stages) or _is_measurement(path)


def _is_measurement(path: Path) -> bool:
    return any((path / name / "settings.json").is_file() for name in ("trials", "runs"))


def _is_stage(path: Path) -> bool:
    return (path / "config.json").is_file() and any((path / name).exists() for name in STAGE_ENTRIES)


class Ranks(Protocol):
    """The interface of the processes that share a folder; `distributed.Engine` implements it."""

    num_ranks: int
    is_main: bool

    def from_main(self, value: Any) -> Any:
        """Rank 0's value on every rank."""

    def any_rank(self, flag: bool) -> bool:
        """Return whether `flag` is set on any rank."""


class StageFolder:
    """Owns one stage's folder from construction to `close()` (or the end of the `with` block).

    The lock ends with its process, however that ends, so there is no stale lock to clear. If the `with` block ends in a
    `UserError` and only config.json and environment.json were written, they are removed, so that the corrected command
    can use the same folder. Among several processes of one launcher only rank 0 owns the folder; for the others every
    writing method does nothing.

    Args:
        path: the stage's folder, such as `RUN/search`; made if missing.
        settings: the resolved settings: JSON values, tuples and paths. `config.json` holds them with `kind` and, for
            several processes, `num_ranks`, with which the run began: batches and their order depend on it.
        resume: resume the run in the folder; its settings must be the same. An empty folder starts a new run.
        kind: the stage, such as "search".
        rules: what "the same" means; config.json then gets the current settings. By default every setting counts.
        begun_ranks: the number of processes that the run began with; by default the folder says it.

    Attributes:
        path, checkpoints: the folder, and the one inside it for `save_checkpoint`.
        resuming: the folder holds a run, and this one resumes it.
        begun_ranks: the number of processes that the run began with.
        writes: this process writes the files.
        tracker: if set, also receives the logs; closed with the folder.

    Raises:
        UserError: another process owns the folder; it holds another run; it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        settings: dict,
        resume: bool,
        kind: str,
        rules: Rules | None = None,
        begun_ranks: int | None = None,
    ) -> None:
        if "kind" in settings:
            raise ValueError("'kind' is the stage's name in config.json and cannot be a setting")
        self.path = expanded(path)
        self.checkpoints = self.path / "checkpoints"
        self.kind = kind
        self._rules = rules or Rules()
        self.writes = is_rank_0()
        self.tracker: Tracker | None = None
        self._lock: int | None = None
        self._made = make_folder(self.path)
        if self.writes:
            self._lock = lock_folder(self.path)
        try:
            self.begun_ranks = begun_ranks or ranks_at_start(self.path, resume)
            ranks = {"num_ranks": self.begun_ranks} if self.begun_ranks > 1 else {}
            self.resuming = self._claim(as_json({"kind": kind, **ranks, **settings}), resume)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> StageFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, UserError):
            self._take_back()
        self.close()

    def close(self) -> None:
        """Releases the folder; a second call does nothing."""
        tracker, self.tracker = self.tracker, None
        if tracker is not None:
            tracker.close()
        if self._lock is not None:
            unlock_folder(self._lock)
            self._lock = None

    # ------------------------------------------------------------------------------------------ logs

    def log_metrics(self, step: int, **values: Any) -> None:
        """Adds `{"step": step, **values}` to metrics.jsonl, which depends on the seed alone: no times or rates.

        Values: numbers, strings, None, or tensors and arrays of one element. Raises `UserError` for one that is not
        finite: a diverged run must stop.
        """
        record: dict[str, Any] = {"step": step, **{name: plain_number(value) for name, value in values.items()}}
        for name, value in record.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(
                    f"{self.path}: {name} is {value} at step {step}: the run diverged; "
                    "lower its learning rate and start again"
                )
        self.append("metrics.jsonl", record)
        if self.tracker is not None and self.writes:
            self.tracker.scalars(step, numbers_of(record))

    def log_timing(self, step: int, **values: Any) -> None:
        """Adds a record to timing.jsonl: times, rates, memory. A value that is not finite becomes null."""
        plain = {name: plain_number(value) for name, value in values.items()}
        for name, value in plain.items():
            if isinstance(value, float) and not math.isfinite(value):
                plain[name] = None
        self.append("timing.jsonl", {"step": step, **plain})
        if self.tracker is not None and self.writes:
            self.tracker.scalars(step, {f"timing/{name}": value for name, value in numbers_of(plain).items()})

    def append(self, name: str, record: dict) -> None:
        """Adds `record`, whose "step" is a whole number, as one line of the log `name` (which ends in .jsonl)."""
        if not name.endswith(".jsonl") or type(record.get("step")) is not int:
            raise ValueError(f"{name}: a log ends in .jsonl and its records have a whole-number 'step'")
        try:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise UserError(
                f"{self.path}: a value of {name} is not finite at step {record['step']}: the run diverged; "
                "lower its learning rates and start again"
            ) from error
        if self.writes:
            with full_disk_named(self.path, f"while writing {name}"):
                append_line(self.path / name, line)
            if self.tracker is not None and (found := distributions_of(record)):
                stem = name.removesuffix(".jsonl")
                self.tracker.histograms(record["step"], {f"{stem}/{key}": values for key, values in found.items()})

    def track_picture(self, step: int, name: str, path: Path) -> None:
        """Gives the picture file `path`, such as the sample grid of step `step`, to the tracker, if there is one."""
        if self.tracker is not None and self.writes:
            import numpy as np
            from PIL import Image

            with Image.open(path) as picture:
                self.tracker.image(step, name, np.asarray(picture.convert("RGB")))

    def truncate_logs(self, step: int) -> None:
        """Cuts every log back to its records up to `step`, without half-written lines; -1 empties them all."""
        if not self.writes:
            return
        with full_disk_named(self.path, "while cutting the logs back"):
            for path in sorted(self.path.glob("*.jsonl")):
                before = path.read_bytes()
                after = b"".join(line + b"\n" for line in before.split(b"\n") if keep_line(line, step))
                if after != before:
                    replace_file(path, after)

    # ------------------------------------------------------------------------------------------ checkpoints

    def save(self, step: int, state: dict, keep: int = 2) -> None:
        """`save_checkpoint` in this folder, in the process that writes."""
        from degas.runtime.checkpoint import save_checkpoint

        if self.writes:
            save_checkpoint(self.checkpoints, step, state, keep)

    def restore(self, warn: Callable[[str], None], ranks: Ranks | None = None) -> tuple[int, dict] | None:
        """(step, state) of the newest usable checkpoint, with the logs cut back to it; None to start at step 0.

        Looks for one only in a resumed folder; if there is none, the logs are emptied. With several `ranks` rank 0
        finds it, and the others restore the same one.

        Raises:
            UserError: another rank does not find it, for instance because its disk is not shared.
        """
        if ranks is None or ranks.num_ranks == 1:
            return self._restore_newest(warn)
        from degas.runtime.checkpoint import checkpoint_digest, load_newest

        found = self._restore_newest(warn) if ranks.is_main else None
        step, digest = ranks.from_main([found[0], checkpoint_digest(self.checkpoints, found[0])] if found else [-1, ""])
        if step >= 0 and not ranks.is_main:
            found = load_newest(self.checkpoints, lambda line: None, only_step=step)
        missing = step >= 0 and (found is None or checkpoint_digest(self.checkpoints, step) != digest)
        if ranks.any_rank(missing):
            raise UserError(
                f"{self.path}: not every process finds the checkpoint of step {step} that the first one restores; "
                "give an --out on a disk that all machines share"
            )
        return found

    def _restore_newest(self, warn: Callable[[str], None]) -> tuple[int, dict] | None:
        from degas.runtime.checkpoint import load_newest

        found = load_newest(self.checkpoints, warn) if self.resuming else None
        self.truncate_logs(-1 if found is None else found[0])
        return found

    # ------------------------------------------------------------------------------------------ results

    def write_json(self, name: str, value: Any) -> None:
        """Writes `value` to the file `name` in this folder, in the process that writes."""
        if self.writes:
            write_json(self.path / name, value)

    def done(self, ranks: Ranks | None = None) -> bool:
        """Return whether the stage is finished. With several `ranks` rank 0 decides for all, so that none waits."""
        return bool(ranks.from_main(self._is_done())) if ranks is not None else self._is_done()

    def known_done(self) -> bool:
        """`done` for a single process, the only case that is known before the ranks are joined."""
        return num_ranks() == 1 and self._is_done()

    def _is_done(self) -> bool:
        return (self.path / "done.json").is_file()

    def mark_done(self) -> None:
        """Marks the stage as finished: its last action, after all results are written."""
        self.write_json("done.json", {"done": True})

    # ------------------------------------------------------------------------------------------ claiming

    def _take_back(self) -> None:
        """Leave no trace of a new run that did no work."""
        if self.writes and not self.resuming:
            take_back(self.path, self._made, _CLAIM)

    def _claim(self, config: dict, resume: bool) -> bool:
        """Return whether this resumes the run in the folder; write config.json for a new one."""
        held = any((self.path / name).exists() for name in _RUN_ENTRIES)
        if not self.writes:
            return resume and held
        if held and not resume:
            state = "a finished" if self.done() else "an unfinished"
            raise UserError(f"{self.path} holds {state} run; give another --out, or --resume to continue it")
        if not held:
            self.write_json("config.json", config)
            sync_folder(self.path.parent)
            return False
        old, new = ({"num_ranks": 1, **each} for each in (read_config(self.path / "config.json"), config))
        reject_difference(self.path, old, new, self._rules)
        if old != new and not self.done():
            self.write_json("config.json", config)
        return True
