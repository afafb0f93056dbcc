"""A search with several seeds: the job of each, and the consensus of all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from degas.nas.job import SearchJob
from degas.nas.searched_space import searched_space
from degas.nas.settings import resolve_search
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.space.architecture import Architecture


def of_one_seed(job: SearchJob) -> SearchJob:
    """The job of one of several searches: without a polish, since only their consensus is polished."""
    if not job.search.polish:
        return job
    one = dataclasses.replace(job, search=job.search.model_copy(update={"polish": 0}))
    vars(one)["prefix"] = job.prefix  # read once, for the consensus too
    return one


def write_consensus_of(job: SearchJob, folder: StageFolder, seeds: Sequence[int], engine: Engine) -> Architecture:
    """Write the consensus of the finished searches in `folder`/seed-N, polished if asked, with both drawings."""
    from degas.figures.agreement import draw_agreement
    from degas.figures.drawing import draw_architecture
    from degas.nas.checks import search_budget
    from degas.nas.decide.rule import make_rule
    from degas.nas.polish.polish import polish
    from degas.nas.results.consensus import read_search, write_consensus

    graph, base_size = searched_space(job.search, job.space, job.images.image_size, job.prefix)
    budget = search_budget(job.search, job.space, graph, base_size=base_size, channels=job.images.channels)
    rule = make_rule(job.search, graph, budget if budget is not None and budget.is_capped else None)
    searches = [read_search(folder.path / f"seed-{seed}", seed, rule) for seed in seeds]
    settings = resolve_search(job.search, job.images.num_images, engine.shares.begun_ranks)
    options: dict[str, Any] = {"seed": seeds[0], "engine": engine, "progress": job.setup.progress}
    last_step = partial(polish, rule=rule, images=job.images, settings=settings, **options)
    architecture = write_consensus(folder, searches, rule, last_step if settings.polish else None)
    if folder.writes:
        draw_architecture(architecture, folder.path / "architecture.png")
        draw_agreement(json.loads((folder.path / "agreement.json").read_bytes()), folder.path / "agreement.png")
    return architecture
