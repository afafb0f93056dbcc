"""How a search opens its folder and its engine: those of its own, or inside those of a whole of several searches."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from degas.nas.job import SearchJob
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.resume_rules import resume_rules
from degas.settings.sections import SearchSettings, SpaceSettings

RULES = resume_rules(space=SpaceSettings(), search=SearchSettings())


def folder_of(stage: Path, settings: dict[str, Any], resume: bool, engine: Engine | None) -> StageFolder:
    """A search's folder; one inside another's began with the number of processes of the whole."""
    begun = None if engine is None else engine.shares.begun_ranks
    return StageFolder(stage, settings=settings, resume=resume, kind="search", rules=RULES, begun_ranks=begun)


def engine_of(job: SearchJob, folder: StageFolder, engine: Engine | None) -> AbstractContextManager[Engine]:
    """A new engine for the run in the folder, unless one is given."""
    if engine is not None:
        return nullcontext(engine)
    return Engine(job.search.precision, job.setup.device, folder.begun_ranks)
