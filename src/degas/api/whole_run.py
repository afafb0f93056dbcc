"""All stages in one call: search, train, evaluate, sample, report. Results in the run folder are not made again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.api.job import Data, Job, check_later_stages, python_call
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.generator.generator import Generator
from degas.nets.generators import GENERATORS
from degas.runtime.environment import is_rank_0
from degas.runtime.setup import Setup
from degas.runtime.tracking import Tracker
from degas.settings.rejections import whole
from degas.settings.resolve import Section
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

Announce = Callable[[str, Any], None]  # called with a stage's name and its input
FEW_IMAGES = 1000  # our choice; a critic memorises few images (Zhao et al. 2020)


@dataclass(frozen=True)
class Finished:
    """The results of a run. Among several processes only the first has `scores` and `report`."""

    generator: Generator
    scores: dict[str, Any] | None
    report: Path | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """The input of a run without a search: an architecture, or a generator whose weights it begins with."""

    architecture: Architecture | str | Path | None = None
    init: Generator | str | Path | None = None


NOTHING = Chosen()


def run(
    data: Data,
    out: str | Path,
    *,
    architecture: Architecture | str | Path | None = None,
    init: Generator | str | Path | None = None,
    preset: str = "default",
    seed: int = 0,
    seeds: int | None = None,
    device: str = "auto",
    progress: bool = True,
    tracker: str | Tracker = "none",
    data_settings: Section = None,
    space: Section = None,
    search: Section = None,
    gan: Section = None,
    evaluate: Section = None,
    command: list[str] | None = None,
    told: Announce | None = None,
) -> Finished:
    """Search, train, evaluate, sample and report, in `out`; existing results are not made again.

    With `architecture` or `init` (as in `train`) there is no search; `seeds` and settings of the search are then
    rejected. `told` is called before each stage: `images` with the `ImageSet`, `search`, `architecture` with the
    result, `train`, `evaluate`, `report`. Raises the `UserError` of any stage before the first one begins.
    """
    setup = Setup(preset, device, progress, tracker, command or python_call("run", data, out))
    sections = {"space": space, "search": search, "gan": gan, "evaluate": evaluate}
    job = Job(data, out, seed, setup, resume=True, data_settings=data_settings, **sections)
    seeds = None if seeds is None else whole("seeds", seeds)
    tell = told or (lambda stage, value: None)
    chosen = Chosen(architecture, init)
    _check(job, chosen, seeds, tell)
    if chosen != NOTHING:
        return _finish(job, chosen, (), tell)
    found = _searched(job, seeds, tell)
    return _finish(job, Chosen(found), search_warnings(job.folder), tell)


def _check(job: Job, chosen: Chosen, seeds: int | None, tell: Announce) -> None:
    """Raise the `UserError` of any stage before the first one begins; warn of too few images."""
    check_chosen(chosen, job.search_settings, job.unchanged, seeds)
    tell("images", job.images)
    check_later_stages(
        job.images,
        gan=job.gan,
        evaluate=job.evaluate_settings,
        device=job.setup.device,
        begun=job.folder / "train",
    )
    hint_for_few(job.images, job.gan.augment)


def _searched(job: Job, seeds: int | None, tell: Announce) -> Architecture:
    tell("search", None)
    found = job.search(seeds)
    tell("architecture", found)
    return found


def _finish(job: Job, chosen: Chosen, said: tuple[str, ...], tell: Announce) -> Finished:
    """Train, evaluate and report; `said` are the warnings of the search."""
    tell("train", None)
    generator = job.train(chosen.architecture, chosen.init)
    if not is_rank_0():  # only one of several processes measures and reports
        return Finished(generator, None, None, ())
    tell("evaluate", None)
    scores = job.evaluate(job.folder / "train" / "generator")
    tell("report", None)
    return Finished(generator, scores, _report(generator, job.folder, job.seed), said)


def check_chosen(chosen: Chosen, search: SearchSettings, unchanged: SearchSettings, seeds: int | None) -> None:
    """Raise `UserError` for an invalid architecture, and for search settings that would have no effect.

    `unchanged` holds the search's settings if none are given.
    """
    architecture = chosen.architecture
    if chosen == NOTHING:
        return
    if architecture is not None and not (isinstance(architecture, str) and architecture in GENERATORS):
        load_architecture(architecture, GENERATORS)
    changed = [name for name in SearchSettings.model_fields if getattr(search, name) != getattr(unchanged, name)]
    options = ["--seeds"] if seeds is not None else []
    options += [f"--search.{name.replace('_', '-')}" for name in changed]
    if options:
        given = "--architecture" if chosen.init is None else "--init"
        mend = "leave out one of the two" if len(options) == 1 else f"leave out {given}, or all of these"
        raise UserError(f"{' '.join(options)}: there is no search with {given}; {mend}")


def hint_for_few(images: ImageSet, augment: str) -> None:
    """Warn if a training will memorise its images and nothing prevents it."""
    if images.num_images < FEW_IMAGES and augment == "none":
        warnings.warn(
            f"{images.num_images:,} images are few; augmentation is off, since it did not help with few images in our "
            "measurement (docs/evidence/augmentation.md); compare --gan.augment diffaugment on yours",
            stacklevel=4,
        )


def search_warnings(run: Path) -> tuple[str, ...]:
    """Return the warnings at the end of the search in a run folder."""
    path = run / "search" / "degenerate.json"
    return tuple(record["warning"] for record in json.loads(path.read_bytes())) if path.is_file() else ()


def _report(generator: Generator, out: Path, seed: int) -> Path:
    """Write samples, the film of the training, model card and report; return the report's path."""
    from degas.figures.grids import save_grid
    from degas.generator.grids import PICTURE_COLUMNS, PICTURE_ROWS, class_rows
    from degas.report.model_card import write_model_card
    from degas.report.render import write_report
    from degas.report.training_film import film_of

    samples = generator.sample(PICTURE_ROWS * PICTURE_COLUMNS, seed, class_rows(generator.num_classes))
    save_grid(samples, out / "samples.png", columns=PICTURE_COLUMNS)
    film_of(out)
    write_model_card(out)
    return write_report([out], out / "report.html")
