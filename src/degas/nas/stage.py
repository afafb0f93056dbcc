"""The search stage: one search in a folder, or several seeds and their consensus, which meet only by files."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas.grow.plan import Part, Stage, grown_stages, parts_of
from degas.nas.job import Place, SearchJob
from degas.nas.opening import engine_of, folder_of
from degas.nas.searched_space import searched_space
from degas.nas.seeds import of_one_seed, write_consensus_of
from degas.nets.cost import supernet_parameters
from degas.runtime.distributed import Engine, chosen_device
from degas.runtime.environment import num_ranks
from degas.runtime.memory import reject_beyond_memory
from degas.runtime.replay import check_graphs
from degas.runtime.run_folder import StageFolder, write_environment
from degas.runtime.tracking import make_tracker
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture

Ahead = Callable[[Path, Sequence[int]], None]  # makes the searches with these seeds in FOLDER/seed-N


def search_into(
    stage: Path,
    job: SearchJob,
    *,
    seed: int,
    num_seeds: int | None = None,
    resume: bool = False,
    ahead: Ahead | None = None,
) -> Architecture:
    """Search into the folder `stage`; a finished search is read back, an unfinished one continues with `resume`.

    With `num_seeds` (two or more): searches with `seed`, `seed` + 1, … are in `stage`/seed-N; `stage` itself holds
    their consensus, which is returned; `ahead` may make these searches first, all at a time. A grown search has one
    such search per image size in `stage`/grow-SIZE, and the results of all in `stage`. Every check that is possible
    before the work is made here, once. Raises `UserError`; warns of degenerate results.
    """
    _check(job, num_seeds)
    if job.search.grow:
        stages = grown_stages(job.search, job.space, job.images.image_size, job.images.channels)
        if len(stages) > 1:
            if ahead is not None:
                raise UserError(
                    "--search.grow: each stage follows from the one before; leave out --processes, --address"
                )
            return _grow(stage, job, stages, seed=seed, num_seeds=num_seeds, resume=resume)
    return _search_into(stage, job, seed=seed, num_seeds=num_seeds, resume=resume, ahead=ahead)


def search_seed(stage: Path, job: SearchJob, *, seed: int, num_seeds: int) -> None:
    """Make one of several searches, in `stage`/seed-`seed`, for a process that works for `search_into`'s `ahead`."""
    _check(job, num_seeds)
    _search_one(stage / f"seed-{seed}", of_one_seed(job), seed=seed, resume=True, warn=False)


def _search_into(
    stage: Path,
    job: SearchJob,
    *,
    seed: int,
    num_seeds: int | None,
    resume: bool,
    engine: Engine | None = None,
    ahead: Ahead | None = None,
) -> Architecture:
    """One search, or several seeds and their consensus; a stage of a grown search has the `engine` of the whole."""
    if num_seeds is None:
        return _search_one(stage, job, seed=seed, resume=resume, engine=engine, warn=engine is None)
    return _search_several(stage, job, seed=seed, num_seeds=num_seeds, resume=resume, engine=engine, ahead=ahead)


def _grow(
    stage: Path, job: SearchJob, stages: Sequence[Stage], *, seed: int, num_seeds: int | None, resume: bool
) -> Architecture:
    """A chain of searches at growing image sizes; resume skips finished ones and continues others."""

    def work(folder: StageFolder, engine: Engine) -> None:
        from degas.figures.drawing import draw_architecture
        from degas.nas.grow.chain import grow, write_whole

        def search_stage(inner: Path, one: SearchJob) -> None:
            _search_into(inner, one, seed=seed, num_seeds=num_seeds, resume=folder.resuming, engine=engine)
            engine.wait()  # the other ranks read the files of rank 0

        grow(folder, job, stages, search_stage)
        architecture = write_whole(folder, job, stages)
        if folder.writes:
            draw_architecture(architecture, folder.path / "architecture.png")

    settings = {**job.config(seed), **({} if num_seeds is None else {"num_seeds": num_seeds})}
    return _search_together(stage, job, settings, work, resume=resume)


def _search_together(
    stage: Path,
    job: SearchJob,
    settings: dict[str, Any],
    work: Callable[[StageFolder, Engine], None],
    *,
    resume: bool,
    engine: Engine | None = None,
) -> Architecture:
    """Several searches inside the folder `stage`: `work` makes them and writes the result of all.

    Without `engine` a new one is used, and the user is warned of degenerate results.
    """
    with folder_of(stage, settings, resume, engine) as folder:
        if not folder.known_done():
            with engine_of(job, folder, engine) as used:
                if not folder.done(used):
                    write_environment(folder.path, job.setup.command)
                    work(folder, used)
                    used.wait()
                    folder.mark_done()
        if engine is None and folder.writes:
            _warn_of_degenerate(folder.path)
        return Architecture.load(folder.path / "architecture.json")


def run_search(
    images: ImageSet,
    settings: SearchSettings,
    space: SpaceSettings,
    *,
    seed: int,
    folder: StageFolder,
    engine: Engine,
    progress: bool = True,
    prefix: Architecture | None = None,
    place: Place | None = None,
) -> Architecture:
    """Search an architecture for `images` and write everything about it into `folder`: state, loop, results.

    Files: architecture.json, alpha.jsonl (one object per epoch: step, epoch, and edge name → {operation name: α}),
    mixing.jsonl (likewise, the mixing weight w and w·‖kernel‖), metrics.jsonl, timing.jsonl, pruning.json (every
    decision with its margin), degenerate.json (problems without an error), the signal's pictures, checkpoints/. A
    folder opened with resume continues from its newest checkpoint, to the same bits as an uninterrupted search.
    `prefix`: the architecture of `settings.prefix`, if it has been read; `place`: in a grown search.

    Raises:
        UserError: images fit no graph, a loss or gradient is not finite (with step and term), the search learns
            nothing, or the pruning rule leaves the graph disconnected.
        Terminated, Interrupted: stopped by a signal, after saving.
    """
    from degas.nas.loop import run_steps
    from degas.nas.results.outputs import write_results
    from degas.nas.state import Search

    search = Search(images, settings, space, seed=seed, engine=engine, prefix=prefix, place=place)
    step = run_steps(search, folder, progress=progress)
    return write_results(folder, search, step, progress=progress)


def _search_one(
    stage: Path, job: SearchJob, *, seed: int, resume: bool, engine: Engine | None = None, warn: bool = True
) -> Architecture:
    """One search into the folder `stage`, on a new engine unless one is given."""
    watcher = make_tracker(job.setup.tracker, stage)
    with folder_of(stage, job.config(seed), resume, engine) as folder:
        folder.tracker = watcher
        if folder.known_done():
            if warn and folder.writes:
                _warn_of_degenerate(folder.path)
            return Architecture.load(folder.path / "architecture.json")
        with engine_of(job, folder, engine) as used:
            if folder.done(used):
                return Architecture.load(folder.path / "architecture.json")
            architecture = _search_and_draw(folder, job, seed=seed, engine=used)
        if warn and folder.writes:
            _warn_of_degenerate(folder.path)
    return architecture


def _search_and_draw(folder: StageFolder, job: SearchJob, *, seed: int, engine: Engine) -> Architecture:
    """The whole work in the open folder of one search: environment, search, drawing, and the mark of its end."""
    from degas.figures.drawing import draw_architecture

    write_environment(folder.path, job.setup.command)
    more: Any = {"progress": job.setup.progress, "prefix": job.prefix, "place": job.place}
    architecture = run_search(job.images, job.search, job.space, seed=seed, folder=folder, engine=engine, **more)
    if folder.writes:
        draw_architecture(architecture, folder.path / "architecture.png")
    folder.mark_done()
    return architecture


def _search_several(
    stage: Path,
    job: SearchJob,
    *,
    seed: int,
    num_seeds: int,
    resume: bool,
    engine: Engine | None = None,
    ahead: Ahead | None = None,
) -> Architecture:
    """Run a search for each seed, then their consensus; resume skips finished searches and continues others."""
    seeds, each = range(seed, seed + num_seeds), of_one_seed(job)

    def work(folder: StageFolder, used: Engine) -> None:
        if ahead is not None:
            ahead(folder.path, [one for one in seeds if not (folder.path / f"seed-{one}" / "done.json").exists()])
        for k, one in enumerate(seeds, start=1):
            if job.setup.progress and folder.writes:
                print(f"search: seed {one}, {k} of {num_seeds}", file=sys.stderr)
            inner = folder.path / f"seed-{one}"
            _search_one(inner, each, seed=one, resume=folder.resuming or ahead is not None, engine=used, warn=False)
            used.wait()  # the other ranks read the files of rank 0
        write_consensus_of(job, folder, seeds, used)

    settings = {**job.config(seed), "num_seeds": num_seeds}
    return _search_together(stage, job, settings, work, resume=resume, engine=engine)


def _warn_of_degenerate(folder: Path) -> None:
    """Warn for each line of degenerate.json; searches of early releases have no such file."""
    path = folder / "degenerate.json"
    for record in json.loads(path.read_bytes()) if path.is_file() else ():
        warnings.warn(record["warning"], stacklevel=7)


def _check(job: SearchJob, num_seeds: int | None) -> None:
    """Check the job before the folder is made; `check_settings` ran before the images were read."""
    if num_seeds is not None and num_seeds < 2:
        raise UserError(f"search: seeds is {num_seeds}; agreement needs two or more; leave it out for one search")
    if (num_seeds is not None or job.search.grow) and not isinstance(job.setup.tracker, str):
        several = "several seeds make" if num_seeds is not None else "--search.grow makes"
        raise UserError(f"search: {several} several runs; give the name of a tracker instead of an object")
    if job.search.cuda_graphs:
        check_graphs("search", chosen_device(job.setup.device), num_ranks())
    _check_parts(job.images, job.search, job.space, job.setup.device)


def check_search_job(images: ImageSet, search: SearchSettings, space: SpaceSettings, device: str = "auto") -> None:
    """Raise `UserError` for settings that do not suit these images, or that need more than the free memory."""
    from degas.nas.checks import check_settings

    check_settings(search)
    _check_parts(images, search, space, device)


def _check_parts(images: ImageSet, search: SearchSettings, space: SpaceSettings, device: str) -> None:
    """Check the search as a whole, and every stage of a grown one."""
    from degas.nas.checks import check_on_images

    check_on_images(search, space, image_size=images.image_size, channels=images.channels)
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    for part in parts_of(images, search, space):
        sizes = {"image_size": part.images.image_size, "channels": images.channels}
        check_on_images(part.settings, space, **sizes, prefix=part.prefix)
        if on_cpu:
            lower = "--search.width, --search.noise-size or --data.max-images"
            reject_beyond_memory("search", search_bytes(part, space), lower)


def search_bytes(part: Part, space: SpaceSettings) -> int:
    """Return the bytes of a search: weights, gradients and moments of the supernet, and the signal's, in float32."""
    from degas.nas.signal import find_signal

    settings, channels = part.settings, part.images.channels
    graph, base_size = searched_space(settings, space, part.images.image_size, part.prefix)
    sizes = {"width": settings.width, "noise_size": settings.noise_size, "channels": channels}
    copies = (4 if settings.weight_optimizer == "adam" else 3) + (3 if settings.order == "second" else 0)
    weights = copies * supernet_parameters(graph, base_size=base_size, **sizes)
    return 4 * (weights + find_signal(settings).num_own_values(settings, part.images.num_images))
