"""The whole job as one call: search, train, evaluate, sample, report. Results in the run folder are not made again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.api import stages as api
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.settings import gan_section
from degas.generator.generator import Generator
from degas.nets.generators import GENERATORS
from degas.runtime.environment import is_rank_0
from degas.runtime.paths import expanded
from degas.runtime.tracking import Tracker
from degas.settings.refusals import whole
from degas.settings.resolve import Section, begun_search, settings_for
from degas.settings.sections import EvaluateSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

Announce = Callable[[str, Any], None]  # a stage's name, and its input
FEW_IMAGES = 1000  # with fewer, a critic memorises the images long before a training ends (Zhao et al. 2020)
NUM_SAMPLES, COLUMNS = 100, 10  # of samples.png


@dataclass(frozen=True)
class Finished:
    """The results of a run. Of several processes only the first has `scores` and `report`."""

    generator: Generator
    scores: dict[str, Any] | None
    report: Path | None
    warnings: tuple[str, ...]


def run(
    data: api.Data,
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

    With `architecture` or `init` (as `train` takes them) there is no search; `seeds` and settings of the search are
    then refused.
    `told` is called before each stage: `images` with the `ImageSet`, `search`, `architecture` with what was
    found, `train`, `evaluate`, `report`. Raises `UserError` for what a later stage would refuse, before the first one.
    """
    source, out = api.source_of(data), expanded(out)
    seed, seeds = whole("seed", seed), None if seeds is None else whole("seeds", seeds)
    tell = told or (lambda stage, value: None)
    begun = begun_search(out)
    sections: dict[str, Any] = {
        "search": settings_for("search", SearchSettings, search, preset, source, begun),
        "gan": settings_for("gan", gan_section(), gan, preset, source),
        "evaluate": settings_for("evaluate", EvaluateSettings, evaluate, preset, source),
        "space": settings_for("space", SpaceSettings, space, preset, source),
    }
    unchanged = settings_for("search", SearchSettings, None, preset, source, begun)
    check_architecture(architecture, sections["search"], unchanged, seeds, init=init)
    images = api.images_of(data, data_settings, out)
    tell("images", images)
    api.check_later_stages(images, gan=sections["gan"], evaluate=sections["evaluate"], device=device)
    hint_for_few(images, sections["gan"].augment)
    both: dict[str, Any] = {"preset": preset, "seed": seed, "device": device, "progress": progress, "command": command}
    both["data_settings"] = data_settings
    stages = {**both, "space": sections["space"], "tracker": tracker, "resume": True}
    chosen: Architecture | str | Path | None
    if architecture is None and init is None:
        tell("search", None)
        chosen = api.search(images, out, seeds=seeds, search=sections["search"], **stages)
        tell("architecture", chosen)
    else:
        chosen = architecture
    tell("train", None)
    generator = api.train(chosen, images, out, init=init, gan=sections["gan"], evaluate=sections["evaluate"], **stages)
    if not is_rank_0():  # only one of several processes measures and reports
        return Finished(generator, None, None, ())
    tell("evaluate", None)
    scores = api.evaluate(out / "train" / "generator", images, out, evaluate=sections["evaluate"], **both)
    tell("report", None)
    page = _report(generator, out, seed)
    return Finished(generator, scores, page, search_warnings(out) if architecture is None and init is None else ())


def check_architecture(
    architecture: Architecture | str | Path | None,
    search: SearchSettings,
    unchanged: SearchSettings,
    seeds: int | None,
    init: Generator | str | Path | None = None,
) -> None:
    """Raise `UserError` for an invalid architecture, and for search settings that it or `init` leaves unused.

    `unchanged` holds the search's settings if none are given.
    """
    if architecture is None and init is None:
        return
    if architecture is not None and not (isinstance(architecture, str) and architecture in GENERATORS):
        load_architecture(architecture, GENERATORS)
    changed = [name for name in SearchSettings.model_fields if getattr(search, name) != getattr(unchanged, name)]
    options = ["--seeds"] if seeds is not None else [f"--search.{name.replace('_', '-')}" for name in changed]
    if options:
        given = "--architecture" if init is None else "--init"
        raise UserError(f"{options[0]}: there is no search with {given}; leave out one of the two")


def hint_for_few(images: ImageSet, augment: str) -> None:
    """Warn where a training will memorise its images and nothing prevents it."""
    if images.num_images < FEW_IMAGES and augment == "none":
        warnings.warn(
            f"{images.num_images:,} images are few, and augmentation is off; try --gan.augment diffaugment as well "
            "and compare",
            stacklevel=3,
        )


def search_warnings(run: Path) -> tuple[str, ...]:
    """Return the warnings at the end of the search in a run folder."""
    path = run / "search" / "degenerate.json"
    return tuple(record["warning"] for record in json.loads(path.read_bytes())) if path.is_file() else ()


def _report(generator: Generator, out: Path, seed: int) -> Path:
    """Write samples, model card and page; returns the page."""
    from degas.figures.grids import save_grid
    from degas.report.model_card import write_model_card
    from degas.report.render import write_report

    save_grid(generator.sample(NUM_SAMPLES, seed=seed), out / "samples.png", columns=COLUMNS)
    write_model_card(out)
    return write_report([out], out / "report.html")
