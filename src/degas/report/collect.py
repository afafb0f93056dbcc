"""Reads a run folder with any of its stages, finished or still running.

A missing, half-written or foreign file is no error: it is left out, and `Run.notes` says so.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.figures.film import MAX_FRAMES, thin
from degas.report.contest import ContestFiles
from degas.report.pictures import Picture
from degas.report.polish import polish_files
from degas.report.reader import MAX_JSON_BYTES, Reader, Record
from degas.runtime.folder_lock import LOCK
from degas.runtime.json_files import number
from degas.space.architecture import Architecture
from degas.space.critic import CriticLayout

MAX_EPOCHS = 120  # α records in a slider, likewise
Fields = dict[str, Any]  # what the page's template fills in
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


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
    """The files that each of search, training and evaluation writes.

    `timings_of_parts`: the logs of times of a search with several seeds, or of a grown one, one each.
    """

    config: Record = field(default_factory=dict)
    environment: Record = field(default_factory=dict)
    metrics: list[Record] = field(default_factory=list)
    timing: list[Record] = field(default_factory=list)
    warnings: list[Record] = field(default_factory=list)
    done: bool = False
    timings_of_parts: list[list[Record]] = field(default_factory=list)


@dataclass
class Run:
    """Everything that a report shows about one run; absent parts are None or empty."""

    path: Path
    name: str
    reader: Reader
    architecture: Architecture | None = None
    alpha: list[AlphaRecord] = field(default_factory=list)
    search: Stage | None = None
    train: Stage | None = None
    evaluation: Stage | None = None
    generator: Record = field(default_factory=dict)
    critic: CriticLayout | None = None
    num_parameters: int | None = None
    scores: Record = field(default_factory=dict)
    agreement: Record = field(default_factory=dict)
    pruning: Record = field(default_factory=dict)
    polishes: list[tuple[str, Record]] = field(default_factory=list)  # stage of a grown search, and its polish.json
    growth: list[Record] = field(default_factory=list)
    growth_timings: dict[str, list[list[Record]]] = field(default_factory=dict)  # by the folder of a stage
    training_growth: list[Record] = field(default_factory=list)
    reconstructions: Picture | None = None
    glo_samples: Picture | None = None
    critic_samples: Picture | None = None  # of a search by a critic
    frames: list[Frame] = field(default_factory=list)
    real_images: Picture | None = None
    generated_images: Picture | None = None
    film: Picture | None = None
    walk: Picture | None = None
    contest: ContestFiles = field(default_factory=ContestFiles)

    @property
    def notes(self) -> list[str]:
        """What was left out, and why."""
        return self.reader.notes

    @property
    def fine_tuned_from(self) -> str | None:
        """The generator whose weights the training began with, as its command named it; None for fresh weights."""
        init = self.train.config.get("init") if self.train else None
        return str(init.get("generator")) if isinstance(init, dict) else None

    @property
    def stages(self) -> dict[str, Stage]:
        named = {"search": self.search, "train": self.train, "evaluation": self.evaluation}
        return {name: stage for name, stage in named.items() if stage is not None}


def collect_run(path: Path) -> Run:
    """Read the run folder `path`; raises `UserError` if there is no folder or it holds no run."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; give a run folder, the --out of an earlier command")
    run = Run(path, path.resolve().name, Reader(path))
    run.search, run.train, run.evaluation = (_stage(run, name) for name in ("search", "train", "evaluation"))
    _collect_search(run)
    _collect_train(run)
    run.scores = _scores(run)
    run.contest = _contest(run)
    _collect_pictures(run)
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
        run.reader.json(folder / "config.json"),
        run.reader.json(folder / "environment.json"),
        run.reader.jsonl(folder / "metrics.jsonl"),
        run.reader.jsonl(folder / "timing.jsonl"),
        run.reader.jsonl(folder / "warnings.jsonl") + _degenerate(run, folder / "degenerate.json"),
        (folder / "done.json").exists(),
    )


def _collect_search(run: Run) -> None:
    folder = run.path / "search"
    if run.search is None:
        return
    if (folder / "architecture.json").exists():
        run.architecture = run.reader.loaded(lambda: Architecture.load(folder / "architecture.json"))
    parts = sorted(part for part in folder.glob("grow-*") if part.is_dir())
    run.growth_timings = {part.name: [run.reader.jsonl(log) for log in _timing_logs(part)] for part in parts}
    of_seeds = [run.reader.jsonl(log) for log in sorted(folder.glob("seed-*/timing.jsonl"))]
    run.search.timings_of_parts = [*of_seeds, *(log for logs in run.growth_timings.values() for log in logs)]
    records = [_alpha_record(record) for record in run.reader.jsonl(folder / "alpha.jsonl")]
    run.alpha = thin([record for record in records if record is not None], MAX_EPOCHS)
    run.agreement = run.reader.json(folder / "agreement.json")
    run.pruning = run.reader.json(folder / "pruning.json")
    run.polishes = [(file.parent.name, run.reader.json(file)) for file in polish_files(folder)]
    run.growth = run.reader.objects(folder / "growth.json")
    run.reconstructions = run.reader.picture(folder / "reconstructions.png")
    run.glo_samples = run.reader.picture(folder / "glo_samples.png")
    run.critic_samples = run.reader.picture(folder / "critic_samples.png")


def _timing_logs(folder: Path) -> list[Path]:
    """The logs of times of a search's folder and of its seeds'."""
    return [log for log in (folder / "timing.jsonl", *sorted(folder.glob("seed-*/timing.jsonl"))) if log.is_file()]


def _collect_train(run: Run) -> None:
    folder = run.path / "train"
    if run.train is None:
        return
    run.generator = run.reader.json(folder / "generator" / "config.json")
    run.training_growth = run.reader.objects(folder / "growth.json")
    data = run.generator.get("architecture")
    if run.architecture is None and data is not None:
        where = run.reader.name_of(folder / "generator" / "config.json")
        run.architecture = run.reader.loaded(lambda: Architecture.from_dict(data, where))
    gan = run.train.config.get("gan")
    if isinstance(gan, dict) and "critic_layout" in gan:
        told = run.reader.name_of(folder / "config.json")
        run.critic = run.reader.loaded(lambda: CriticLayout.from_dict(gan["critic_layout"], told))
    run.num_parameters = count_saved_parameters(folder / "generator" / "model.safetensors")
    grids = sample_grids(run.path)
    for step in thin(list(grids), MAX_FRAMES):
        if (picture := run.reader.picture(grids[step])) is not None:
            run.frames.append(Frame(step, grids[step], picture))


def _collect_pictures(run: Run) -> None:
    """Collect what the page shows first: real images beside generated ones, of one stage if it has both; and films."""
    evaluation, read = run.path / "evaluation", run.reader.picture
    run.real_images, run.generated_images = (
        read(evaluation / "real_images.png"),
        read(evaluation / "generated_images.png"),
    )
    if run.real_images is None:
        run.real_images = read(run.path / "train" / "real_images.png")
    if run.generated_images is None and run.frames:
        run.generated_images = run.frames[-1].picture
    run.film, run.walk = run.reader.film("film"), run.reader.film("walk")


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
    data = run.reader.json(run.path / "evaluation" / "scores.json")
    scores = data.get("scores")
    entries = scores.items() if isinstance(scores, dict) else ()
    good = {name: s for name, s in entries if isinstance(s, dict) and number(s.get("value")) is not None}
    source = data.get("data")
    return {**data, "scores": good, "data": source if isinstance(source, dict) else {}} if good else {}


def _contest(run: Run) -> ContestFiles:
    """Return the results of the contest in RUN/contest; its architecture is not the run's."""
    folder = run.path / "contest"
    candidates, rungs = (run.reader.objects(folder / f"{name}.json") for name in ("candidates", "rungs"))
    effects, verdict = (run.reader.json(folder / f"{name}.json") for name in ("effects", "verdict"))
    return ContestFiles(candidates, rungs, effects, verdict)


def _degenerate(run: Run, path: Path) -> list[Record]:
    """Return the problems that a search reported without failing, each as a separate kind of warning."""
    records = run.reader.objects(path)
    return [{"kind": f"degenerate {k}", "warning": record.get("warning")} for k, record in enumerate(records)]
