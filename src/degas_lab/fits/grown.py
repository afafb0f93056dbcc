"""A grown search beside the search at once: time, memory, and the loss of what each finds.

Every architecture is fitted alone by GLO at the full image size, equally for all rows; rows are compared within seeds.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet, area_downsampled
from degas.errors import UserError
from degas.nas.checks import check_search
from degas.nas.grow.chain import stage_job
from degas.nas.grow.plan import grown_stages
from degas.nas.job import SearchJob
from degas.runtime.setup import Setup
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, stage_of
from degas_lab.fits.grown_plan import AT_ONCE, Plan, Row
from degas_lab.fits.metered import MeteredSearch, metered, or_failed
from degas_lab.fits.search_rows import SearchRows

SMALL = "small"  # the trial of the search at half the size
DERIVED: tuple[Row, ...] = ("repeated", "moved")  # the rows that derive from it


class Grown(SearchRows):
    """The comparison of a grown search with the search at once, in a folder.

    It raises `UserError` for images of a single stage, too.
    """

    plan: Plan

    def of_all_rows(self, settings: SearchSettings) -> SearchSettings:
        return settings.model_copy(update={"grow": False, "prefix": None})

    def check(self) -> None:
        images = self.images
        for grow in (False, True):
            epochs = self.settings.grow_epochs if grow else None
            asked = self.settings.model_copy(update={"grow": grow, "grow_epochs": epochs})
            check_search(asked, self.space, image_size=images.image_size, channels=images.channels)
        graph, _ = self.space.resolve(images.image_size)
        if graph.num_stages < 2:
            raise UserError("grown-search: images of one stage cannot grow; give a larger --data.image-size")

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(dict.fromkeys((AT_ONCE, *self.plan.rows)))

    def measure(self) -> None:
        """Make every missing trial, seed by seed. What derives from a search at half the size is made after it."""
        order = [(row, seed) for seed in self.seeds for row in self.rows]
        small = {_name(SMALL, seed): partial(self._small, seed) for row, seed in order if row in DERIVED}
        for derived, makers in ((False, small), (True, {})):
            rows = {_name(*one): partial(self._trial, *one) for one in order if (one[0] in DERIVED) == derived}
            self.trials.make_ahead({**rows, **makers})
        for row, seed in order:
            record = self.trials.run(_name(row, seed), partial(self._trial, row, seed))
            self.say(f"{row:<9} seed {seed}  {record.get('failed') or record['loss']}")

    def _trial(self, row: Row, seed: int) -> dict[str, Any]:
        """The record of a row's architecture: its loss, its size, and what finding it cost."""
        named = {"row": row, "seed": seed}
        small = self.trials.run(_name(SMALL, seed), partial(self._small, seed)) if row in DERIVED else {}
        if "failed" in small:
            return {**named, "failed": small["failed"]}
        return or_failed(named, lambda: self.fitted(*self._found(row, seed, small), seed))

    def _found(self, row: Row, seed: int, small: Mapping[str, Any]) -> tuple[Architecture, dict[str, Any]]:
        """A row's architecture and costs; `small`: the record of the search at half the size, if it derives from it."""
        if row == AT_ONCE:
            return self._search(self.images, seed)
        if row not in DERIVED:
            return self._chain(seed, takes_over=row == "grown")
        architecture, costs = Architecture.from_dict(small["architecture"]), small["costs"]
        size = self.images.image_size
        return (repeated(architecture) if row == "repeated" else architecture.for_image_size(size)), costs

    def _small(self, seed: int) -> dict[str, Any]:
        """The record of the search at half the size."""

        def make() -> dict[str, Any]:
            found, costs = self._search(area_downsampled(self.images, self.images.image_size // 2), seed)
            return {"architecture": found.to_dict(), "costs": costs}

        return or_failed({"row": SMALL, "seed": seed}, make)

    def _search(self, images: ImageSet, seed: int) -> tuple[Architecture, dict[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="degas-") as scratch:
            job = SearchJob(images, self.space, self.settings, _SETUP)
            found, costs = self._metered(Path(scratch) / "search", job, seed)
        return found, together([costs])

    def _chain(self, seed: int, *, takes_over: bool) -> tuple[Architecture, dict[str, Any]]:
        """A grown search; without `takes_over`, each stage begins with new weights and latents after its prefix."""
        job = SearchJob(self.images, self.space, self.settings, _SETUP)
        stages = grown_stages(self.settings, self.space, self.images.image_size, self.images.channels)
        costs, before = [], None
        with tempfile.TemporaryDirectory(prefix="degas-") as scratch:
            for number, stage in enumerate(stages, start=1):
                one = stage_job(job, stage, stages[number:], before)
                before = Path(scratch) / stage.name
                found, cost = self._metered(before, one if takes_over else replace(one, place=None), seed)
                costs.append(cost)
        return found, together(costs)

    def _metered(self, path: Path, job: SearchJob, seed: int) -> tuple[Architecture, dict[str, Any]]:
        given = {"engine": self.engine, "prefix": job.prefix, "place": job.place}
        found, costs = metered(path, MeteredSearch(job.images, job.search, job.space, seed=seed, **given))
        return found, {"image_size": job.images.image_size, **costs}


def _name(row: str, seed: int) -> str:
    return f"{row}-s{seed}"


_SETUP = Setup("default", "auto", False, "none", ["degas", "experiment", "grown-search"])


def together(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The costs of a chain: sums of multiply-adds, steps and processor seconds, and the most memory of a stage.

    `search_seconds` are those of all steps at the mean rate of those that were timed, and of measuring the decisions;
    None if no step of a stage was timed.
    """
    timed = all(stage["step_seconds"] is not None for stage in stages)
    seconds = sum(stage["step_seconds"] * stage["num_steps"] + stage["prune_seconds"] for stage in stages if timed)
    return {
        "search_multiply_adds": sum(stage["step_multiply_adds"] * stage["num_steps"] for stage in stages),
        "held_mib": max(stage["held_mib"] for stage in stages),
        "search_seconds": seconds if timed else None,
        "num_steps": sum(stage["num_steps"] for stage in stages),
        "stages": list(stages),
    }


def repeated(architecture: Architecture) -> Architecture:
    """An architecture of one more stage, whose last stage has the decisions of the one before it."""
    last = architecture.num_stages
    again = [
        Edge(_later(edge.source), _later(edge.target), edge.operation)
        for edge in architecture.edges
        if stage_of(edge.target) == last
    ]
    return replace(architecture, num_stages=last + 1, edges=(*architecture.edges, *again), provenance={})


def _later(node: str) -> str:
    """The node at the same place of the next stage: `N2.1` → `N3.1`."""
    return re.sub(r"\d+", lambda number: str(int(number[0]) + 1), node, count=1)
