"""The evaluation stage: reads a generator and images, writes RUN/evaluation with scores.json."""

from __future__ import annotations

import json
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degas.data.image_set import ImageSet, check_size, stage_head
from degas.errors import Notice, unreadable
from degas.evaluation.evaluate import Evaluator, check_counts, evaluate_generator
from degas.evaluation.reference import image_chunks, reference_order
from degas.figures.grids import save_grid
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.generator.grids import GRID_COLUMNS, real_grid, sample_grid
from degas.runtime.distributed import chosen_device
from degas.runtime.durable import replace_file
from degas.runtime.environment import write_environment
from degas.runtime.folder_lock import owned_folder
from degas.runtime.json_files import as_json, write_json
from degas.runtime.setup import Setup
from degas.settings.sections import EvaluateSettings

# Generator and images are the same if their content is, whatever their paths.
_IDENTITY = (("data", "fingerprint"), ("generator", "weights"), ("generator", "config"), ("generator", "images"))


@dataclass(frozen=True)
class EvaluateJob:
    """Everything that an evaluation depends on, except generator, seed and folder.

    `cache`: folder of reference statistics, or None for no cache.
    """

    images: ImageSet
    evaluate: EvaluateSettings
    cache: Path | None
    setup: Setup

    def config(self, seed: int) -> dict[str, Any]:
        """Return the contents of config.json."""
        return {**stage_head(self.images, seed, self.setup.preset), "evaluate": self.evaluate.model_dump(mode="json")}


def evaluate_into(
    folder: Path | None, job: EvaluateJob, generator: Generator | str | Path, *, seed: int
) -> dict[str, Any]:
    """One evaluation: returns the object of scores.json, which is also written to `folder` if that is given."""
    with nullcontext() if folder is None else owned_folder(folder):
        begun = time.perf_counter()
        where = chosen_device(job.setup.device)
        loaded = generator if isinstance(generator, Generator) else Generator.load(generator_folder(generator), where)
        scores = _score(job, loaded, seed, where)
        if not isinstance(generator, Generator):
            scores["generator"] = {"path": str(generator), **scores["generator"]}
        if folder is None:
            return scores
        _write_pictures(folder, job.images, loaded, seed)
        scores = save_evaluation(folder, scores, job.config(seed), job.setup.command)
        _write_time(folder, time.perf_counter() - begun)
        return scores


def evaluate_images_into(folder: Path | None, job: EvaluateJob, images: ImageSet, *, seed: int) -> dict[str, Any]:
    """One evaluation of given images, of the size of the job's: up to `num_samples`, in a fixed random order.

    The random order matters because a folder is often sorted by class. Scores are as for a generator, whose place in
    scores.json the images take: `{"images": their source, number and fingerprint}`.
    """
    with nullcontext() if folder is None else owned_folder(folder):
        begun = time.perf_counter()
        check_counts(job.evaluate.num_samples, images)
        rows = reference_order(images.num_images)[: job.evaluate.num_samples]
        settings = job.evaluate.model_copy(update={"num_samples": len(rows)})
        where = chosen_device(job.setup.device)
        evaluator = Evaluator(job.images, settings, device=where, cache=job.cache)
        if images.fingerprint == job.images.fingerprint:
            warnings.warn(_scored_against_itself(evaluator), Notice, stacklevel=2)
        chunks = image_chunks(images.images, rows, settings.batch_images)
        found = evaluator.fakes(chunks, seed=seed, progress=job.setup.progress)
        scores = {**found, "generator": {"images": images.identity}}
        if folder is None:
            return scores
        grid = torch.from_numpy(np.array(images.images[rows[: GRID_COLUMNS**2]]))
        save_grid(grid, folder / "generated_images.png", columns=GRID_COLUMNS)
        scores = save_evaluation(folder, scores, job.config(seed), job.setup.command)
        _write_time(folder, time.perf_counter() - begun)
        return scores


def _scored_against_itself(evaluator: Evaluator) -> str:
    """Return a notice that names the scores which still mean something, of those that are computed."""
    extractor = evaluator.extractor
    one = ["the Inception Score"] * extractor.has_inception_score + ["class scores"] * extractor.has_classifier_score
    kept = [*one, *["the floors"] * evaluator.settings.floor]
    mean = "means" if kept == ["the Inception Score"] else "mean"
    what = f"only {' and '.join(kept)} {mean} something" if kept else "no score means anything"
    return f"the images are those of --data: {what}"


def _score(job: EvaluateJob, generator: Generator, seed: int, where: torch.device) -> dict[str, Any]:
    check_size(job.images, generator)
    return evaluate_generator(
        generator, job.images, job.evaluate, seed=seed, device=where, cache=job.cache, progress=job.setup.progress
    )


def _write_pictures(folder: Path, images: ImageSet, generator: Generator, seed: int) -> None:
    """Write real images and samples of the generator that was measured, as grids to look at beside each other."""
    save_grid(real_grid(images, generator), folder / "real_images.png", columns=GRID_COLUMNS)
    save_grid(sample_grid(generator, seed), folder / "generated_images.png", columns=GRID_COLUMNS)


def _write_time(folder: Path, seconds: float) -> None:
    """Write timing.jsonl: the time of the latest evaluation, in one line."""
    replace_file(folder / "timing.jsonl", f"{json.dumps({'seconds': seconds})}\n".encode())


def save_evaluation(
    folder: Path, scores: dict[str, Any], settings: dict[str, Any], command: list[str]
) -> dict[str, Any]:
    """Write config.json, environment.json and scores.json; returns what scores.json now holds.

    Existing scores of the same generator and images are kept; a new score replaces one with the same name. `settings`
    and `command` are those of the latest evaluation; each score's entry says how it was measured.
    """
    scores = _merged(folder / "scores.json", scores)
    write_json(folder / "config.json", as_json({"kind": "evaluation", **settings}))
    write_environment(folder, command)
    write_json(folder / "scores.json", scores)
    return scores


def _merged(path: Path, scores: dict[str, Any]) -> dict[str, Any]:
    """`scores` after those of `path`, if that is about the same generator and images."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if all(before[part].get(key) == scores[part].get(key) for part, key in _IDENTITY):
            merged = {**scores, "scores": {**before["scores"], **scores["scores"]}}
            untrained = {**before.get("untrained", {}), **scores.get("untrained", {})}
            return {**merged, "untrained": untrained} if untrained else merged
    except FileNotFoundError:
        pass
    except OSError as error:
        raise unreadable(path, error) from error  # not overwritten: it may hold scores that took an hour
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # no scores.json, or not one of degas: it is written again
    return scores
