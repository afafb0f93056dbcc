"""The training stage: reads an architecture and images, writes a folder with the trained generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from degas.data.image_set import ImageSet, stage_head
from degas.errors import UserError
from degas.gan.bookkeeping import Evaluate
from degas.gan.checks import check_generator, check_training
from degas.gan.fine_tune import Start, start_from
from degas.gan.fresh import chosen_generator
from degas.gan.loop import run_training
from degas.gan.settings import CompleteGan, resolve_gan, training_rules
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine, chosen_device
from degas.runtime.environment import num_ranks, ranks_at_start
from degas.runtime.run_folder import StageFolder, write_environment
from degas.runtime.setup import Setup
from degas.runtime.tracking import make_tracker
from degas.settings.sections import EvaluateSettings, GanSettings, SpaceSettings
from degas.space.architecture import Architecture

MakeEvaluate = Callable[[torch.device], Evaluate]


@dataclass(frozen=True)
class TrainJob:
    """Everything that a training depends on, except seed and folder.

    `init` is a generator whose weights the training begins with, or None for new weights of `architecture`; at least
    one of the two is given. `evaluate` is the entry in config.json on the measurements that choose the best generator:
    their settings, and the content of the files that they name. `make_evaluate` is called once; it returns the function
    to call every `gan.evaluate_steps`.
    """

    architecture: Architecture | str | Path | None
    images: ImageSet
    space: SpaceSettings
    gan: GanSettings
    evaluate: Mapping[str, Any]
    make_evaluate: MakeEvaluate
    setup: Setup
    init: Generator | str | Path | None = None

    def start(self, seed: int, begun: Path | None = None) -> Start:
        """Return the generator to begin with; `begun` is the folder of a training to resume."""
        if self.init is not None:
            return start_from(self.init, self.architecture, self.images, self.gan, self.space, seed, begun)
        if self.architecture is None:
            raise UserError("--architecture: name one, or give a trained generator as --init")
        return Start(chosen_generator(self.architecture, self.images, self.gan, self.space, seed))

    def config(self, settings: CompleteGan, start: Start, seed: int) -> dict[str, Any]:
        """Return the contents of config.json."""
        head = stage_head(self.images, seed, self.setup.preset)
        config = {**head, "generator": start.generator.config, "gan": settings.as_config()}
        if start.record is not None:
            config["init"] = start.record
        if settings.evaluate_steps:  # evaluations choose the best generator, so they affect the result
            config["evaluate"] = self.evaluate
        return config


def train_once(job: TrainJob, stage: Path, *, seed: int, resume: bool) -> Generator:
    """One training into the folder `stage`; a finished one is read back."""
    begun, ranks = stage if resume else None, (num_ranks(), ranks_at_start(stage, resume))
    settings = resolve_gan(job.gan, begun).model_copy(update={"fine_tunes": job.init is not None})
    check_training(settings, job.images, chosen_device(job.setup.device), *ranks)
    start = job.start(seed, begun)
    check_generator(start.generator, job.images, settings)
    config, rules = job.config(settings, start, seed), training_rules(job.gan, evaluate=EvaluateSettings())
    watcher = make_tracker(job.setup.tracker, stage)
    with StageFolder(stage, settings=config, resume=resume, kind="train", rules=rules) as folder:
        folder.tracker = watcher
        start.check_weights(folder)
        if not folder.known_done():
            train_into(
                folder,
                start.generator,
                job.images,
                settings,
                seed=seed,
                device=job.setup.device,
                make_evaluate=job.make_evaluate,
                progress=job.setup.progress,
                command=job.setup.command,
            )
        return Generator.load(folder.path / "generator")


def train_into(
    folder: StageFolder,
    generator: Generator,
    images: ImageSet,
    settings: CompleteGan,
    *,
    seed: int,
    device: str,
    make_evaluate: MakeEvaluate | None = None,
    progress: bool = True,
    command: list[str] | None = None,
) -> None:
    """Run the loop on a device, unless the folder is finished; `command` goes to environment.json."""
    with Engine(settings.precision, device, folder.begun_ranks) as engine:
        if folder.done(engine):
            return
        if command is not None:
            write_environment(folder.path, command)
        wanted = make_evaluate is not None and settings.evaluate_steps and engine.is_main
        run_training(
            generator,
            images,
            settings,
            seed=seed,
            folder=folder,
            engine=engine,
            on_evaluate=make_evaluate(engine.device) if wanted and make_evaluate is not None else None,
            progress=progress,
        )
