"""Reads a run folder with any of its stages, finished or still running.

A missing, half-written or foreign file is no error: it is left out, and `Run.notes` says so.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.figures.film import MAX_FRAMES, thin
from degas.report.pictures import Picture, read_picture
from degas.runtime.folder_lock import LOCK
from degas.runtime.json_files import number
from degas.space.architecture import Architecture

MAX_JSON_BYTES = 64 << 20
MAX_EPOCHS = 120  # α records in a slider, likewise
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
Record = dict[str, Any]
Fields = dict[str, Any]  # what the page's template fills in


@dataclass(frozen=True)
class AlphaRecord:
    """α of every edge at the end of one epoch: edge name → {operation name: α}."""

    epoch: int
    values: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Frame:
    """A sample grid: the generator step after which it was drawn, and its file."""

    step: int
    path: Path
    picture: Picture


@dataclass
class Stage:
    """The files that each of search, training and evaluation writes."""

    config: Record = field(default_factory=dict)
    environment: Record = field(default_factory=dict)
    metrics: list[Record] = field(default_factory=list)
    timing: list[Record] = field(default_factory=list)
    warnings: list[Record] = field(default_factory=list)
    done: bool = False


@dataclass
class Run:
    """Everything that a report shows about one run; absent parts are None or empty."""

    path: Path
    name: str
    architecture: Architecture | None = None
    alpha: list[AlphaRecord] = field(default_factory=list)
    search: Stage | None = None
    train: Stage | None = None
    evaluation: Stage | None = None
    generator: Record = field(default_factory=dict)
    num_parameters: int | None = None
    scores: Record = field(default_factory=dict)
    agreement: Record = field(default_factory=dict)
    pruning: Record = field(default_factory=dict)
    reconstructions: Picture | None = None
    glo_samples: Picture | None = None
    frames: list[Frame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def stages(self) -> dict[str, Stage]:
        named = {"search": self.search, "train": self.train, "evaluation": self.evaluation}
        return {name: stage for name, stage in named.items() if stage is not None}

    @property
    def fine_tuned_from(self) -> str | None:
        """The generator whose weights the training began with, as its command named it; None for fresh weights."""
        init = self.train.config.get("init") if self.train else None
        return str(init.get("generator")) if isinstance(init, dict) else None


def collect_run(path: Path) -> Run:
    """Read the run folder `path`; raises `UserError` if there is no folder or it holds no run."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; give a run folder, the --out of an earlier command")
    run = Run(path, path.resolve().name)
    run.search, run.train, run.evaluation = (_stage(run, name) for name in ("search", "train", "evaluation"))
    _collect_search(run)
    _collect_train(run)
    run.scores = _scores(run)
    measured = run.scores.get("generator")
    count = measured.get("num_parameters") if isinstance(measured, dict) else None
    if run.num_parameters is None and isinstance(count, int) and not isinstance(count, bool):
        run.num_parameters = count
    if not run.stages:
        raise UserError(f"{path}: holds no search, train or evaluation results; give the --out of an earlier command")
    return run


def sample_grids(path: Path) -> dict[int, Path]:
    """The sample grids of the training in a run folder: generator step → file, in the order of the steps."""
    found: dict[int, Path] = {}
    for file in (path / "train" / "samples").glob("step-*.png"):
        if match := re.fullmatch(r"step-(\d{1,12})\.png", file.name):
            found[int(match[1])] = file
    return dict(sorted(found.items()))


def flatten(value: Mapping[str, Any], head: str = "") -> Record:
    """Nested objects as one object with dotted keys; only the first few levels are flattened."""
    flat: Record = {}
    for key, item in value.items():
        name = f"{head}.{key}" if head else str(key)
        if isinstance(item, dict) and item and name.count(".") < 6:
            flat |= flatten(item, name)
        else:
            flat[name] = item
    return flat


def _stage(run: Run, name: str) -> Stage | None:
    folder = run.path / name
    if not folder.is_dir() or all(entry.name == LOCK for entry in folder.iterdir()):
        return None
    return Stage(
        _json(run, folder / "config.json"),
        _json(run, folder / "environment.json"),
        _jsonl(run, folder / "metrics.jsonl"),
        _jsonl(run, folder / "timing.jsonl"),
        _jsonl(run, folder / "warnings.jsonl") + _degenerate(run, folder / "degenerate.json"),
        (folder / "done.json").exists(),
    )


def _collect_search(run: Run) -> None:
    folder = run.path / "search"
    if run.search is None:
        return
    if (folder / "architecture.json").exists():
        run.architecture = _guarded(run, lambda: Architecture.load(folder / "architecture.json"))
    records = [_alpha_record(record) for record in _jsonl(run, folder / "alpha.jsonl")]
    run.alpha = thin([record for record in records if record is not None], MAX_EPOCHS)
    run.agreement = _json(run, folder / "agreement.json")
    run.pruning = _json(run, folder / "pruning.json")
    run.reconstructions = _picture(run, folder / "reconstructions.png")
    run.glo_samples = _picture(run, folder / "glo_samples.png")


def _collect_train(run: Run) -> None:
    folder = run.path / "train"
    if run.train is None:
        return
    run.generator = _json(run, folder / "generator" / "config.json")
    data = run.generator.get("architecture")
    if run.architecture is None and data is not None:
        where = _where(run, folder / "generator" / "config.json")
        run.architecture = _guarded(run, lambda: Architecture.from_dict(data, where))
    run.num_parameters = count_saved_parameters(folder / "generator" / "model.safetensors")
    grids = sample_grids(run.path)
    for step in thin(list(grids), MAX_FRAMES):
        if (picture := _picture(run, grids[step])) is not None:
            run.frames.append(Frame(step, grids[step], picture))


def count_saved_parameters(path: Path) -> int | None:
    """Number of learned values in a safetensors file, from its header; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length)) if length <= MAX_JSON_BYTES else {}
        shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
        return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS)) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError):
        return None


def _alpha_record(record: Record) -> AlphaRecord | None:
    epoch = number(record.get("epoch"))
    values = {}
    for edge, operations in record.items():
        if "->" in edge and isinstance(operations, dict):
            numbers = {name: number(value) for name, value in operations.items()}
            if numbers and None not in numbers.values():
                values[edge] = {name: value for name, value in numbers.items() if value is not None}
    return AlphaRecord(int(epoch), values) if epoch is not None and values else None


def _scores(run: Run) -> Record:
    """The object of scores.json without malformed scores."""
    data = _json(run, run.path / "evaluation" / "scores.json")
    scores = data.get("scores")
    entries = scores.items() if isinstance(scores, dict) else ()
    good = {name: s for name, s in entries if isinstance(s, dict) and number(s.get("value")) is not None}
    source = data.get("data")
    return {**data, "scores": good, "data": source if isinstance(source, dict) else {}} if good else {}


def _degenerate(run: Run, path: Path) -> list[Record]:
    """Return the problems that a search reported without failing, each as a separate kind of warning."""
    found = _value(run, path)
    records = [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
    return [{"kind": f"degenerate {k}", "warning": record.get("warning")} for k, record in enumerate(records)]


def _json(run: Run, path: Path) -> Record:
    value = _value(run, path)
    return value if isinstance(value, dict) else {}


def _value(run: Run, path: Path) -> Any:
    """Return the value in a JSON file; None if the file is missing or unreadable."""
    if not path.exists():
        return None
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError("file too large")
        return _loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        run.notes.append(f"{_where(run, path)}: left out ({error.strerror})")
        return None
    except (ValueError, RecursionError) as error:
        run.notes.append(f"{_where(run, path)}: left out, not valid JSON ({' '.join(str(error).split())[:80]})")
        return None


def _jsonl(run: Run, path: Path) -> list[Record]:
    """The objects of a log; its last line may be half-written, which is normal during a run."""
    if not path.exists():
        return []
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise OSError("file too large")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        run.notes.append(f"{_where(run, path)}: left out ({error})")
        return []
    records, bad = [], 0
    for k, line in enumerate(lines):
        try:
            value = _loads(line.decode("utf-8")) if line.strip() else None
        except (ValueError, RecursionError):
            bad += k < len(lines) - 1
            continue
        if isinstance(value, dict):
            records.append(value)
    if bad:
        run.notes.append(f"{_where(run, path)}: {bad} damaged line{'s' if bad > 1 else ''} left out")
    return records


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None)  # NaN and Infinity are not JSON


def _picture(run: Run, path: Path) -> Picture | None:
    if not path.exists():
        return None
    try:
        return read_picture(path)
    except ValueError as error:
        run.notes.append(f"{_where(run, path)}: picture left out ({error})")
        return None


def _guarded(run: Run, load: Callable[[], Architecture]) -> Architecture | None:
    try:
        return load()
    except UserError as error:
        run.notes.append(str(error).replace(f"{run.path}/", "", 1))
        return None


def _where(run: Run, path: Path) -> str:
    return str(path.relative_to(run.path))
