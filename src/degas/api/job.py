"""One call of degas: images, settings and everything else that its stages share. Each stage is a method."""

from __future__ import annotations

import os
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from degas.data.cache import cache_folder
from degas.data.image_set import ImageSet, content_fingerprint
from degas.data.sources import images_from
from degas.errors import Notice, UserError
from degas.evaluation.evaluate import Evaluator
from degas.evaluation.extractors.build import evaluate_config
from degas.evaluation.stage import EvaluateJob, evaluate_images_into, evaluate_into
from degas.gan.bookkeeping import Evaluate
from degas.gan.checks import check_training
from degas.gan.settings import gan_section, resolve_gan
from degas.gan.stage import TrainJob, train_once
from degas.generator.generator import Generator
from degas.nas.checks import check_settings
from degas.nas.stage import Ahead, SearchJob, search_into, search_seed
from degas.runtime import cores
from degas.runtime.distributed import chosen_device
from degas.runtime.environment import is_rank_0, num_ranks
from degas.runtime.paths import expanded
from degas.runtime.setup import Setup
from degas.runtime.torch_state import plain_torch
from degas.settings.rejections import whole
from degas.settings.resolve import Section, begun_run, settings_for
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture

Data = Any  # see `degas.data.from_python.ACCEPTED`


class Job:
    """The arguments of a call, with settings completed by the preset; images are read when first needed.

    Raises `UserError` for an invalid setting.

    Attributes:
        unchanged: the search's settings if none are given.
    """

    def __init__(
        self,
        data: Data,
        out: str | Path | None,
        seed: int,
        setup: Setup,
        *,
        resume: bool = False,
        data_settings: Section = None,
        space: Section = None,
        search: Section = None,
        gan: Section = None,
        evaluate: Section = None,
    ) -> None:
        self.data, self.out = data, expanded(out) if out is not None else None
        self.seed, self.setup, self.resume, preset = whole("seed", seed), setup, resume, setup.preset
        source, begun = source_of(data), begun_run(out)
        self.search_settings = settings_for("search", SearchSettings, search, preset, source, begun)
        self.unchanged = settings_for("search", SearchSettings, None, preset, source, begun)
        self.gan = settings_for("gan", gan_section(), gan, preset, source, begun)
        self.evaluate_settings = settings_for("evaluate", EvaluateSettings, evaluate, preset, source)
        self.space = settings_for("space", SpaceSettings, space, preset, source, begun)
        self.data_settings = settings_for("data", DataSettings, data_settings, "default")

    @cached_property
    def images(self) -> ImageSet:
        """The images of `data`, without those of a run in `out`."""
        return images_from(self.data, self.data_settings, self.out)

    @cached_property
    def folder(self) -> Path:
        """The run folder: `out`, or a temporary one."""
        if self.out is None and num_ranks() > 1:
            raise UserError("out: name a folder that all processes share; without one, each would make its own")
        return self.out or Path(tempfile.mkdtemp(prefix="degas-"))

    @plain_torch(keep_random_state=True)
    def search(self, seeds: int | None = None, ahead: Ahead | None = None) -> Architecture:
        """Search into the run folder; with `seeds`, that many searches, which `ahead` may make, and their consensus."""
        num_seeds = None if seeds is None else whole("seeds", seeds)
        check_settings(self.search_settings)  # before reading images
        if ahead is None:
            self._note_taken_cores()
        stage, work = self.folder / "search", self._search_job()
        return search_into(stage, work, seed=self.seed, num_seeds=num_seeds, resume=self.resume, ahead=ahead)

    @plain_torch(keep_random_state=True)
    def search_seed(self, seed: int, num_seeds: int) -> None:
        """Make the search with `seed` of a call of `search` with several."""
        search_seed(self.folder / "search", self._search_job(), seed=seed, num_seeds=num_seeds)

    def _search_job(self) -> SearchJob:
        return SearchJob(self.images, self.space, self.search_settings, self.setup)

    @plain_torch(keep_random_state=True)
    def train(
        self, architecture: Architecture | str | Path | None, init: Generator | str | Path | None = None
    ) -> Generator:
        """Train the architecture, or fine-tune `init`, into the run folder."""
        self._note_taken_cores()
        work = TrainJob(
            architecture=architecture,
            images=self.images,
            space=self.space,
            gan=self.gan,
            evaluate=evaluate_config(self.evaluate_settings),
            make_evaluate=self._small_evaluation,
            setup=self.setup,
            init=init,
        )
        return train_once(work, self.folder / "train", seed=self.seed, resume=self.resume)

    @plain_torch(keep_random_state=True)
    def evaluate(self, generator: Generator | str | Path) -> dict[str, Any]:
        """Measure the generator, and write into `out` if there is one; return the object of scores.json."""
        work = EvaluateJob(self.images, self.evaluate_settings, self._statistics_cache, self.setup)
        folder = self.out / "evaluation" if self.out is not None and is_rank_0() else None
        return evaluate_into(folder, work, generator, seed=self.seed)

    @plain_torch(keep_random_state=True)
    def evaluate_images(self, given: Data) -> dict[str, Any]:
        """Measure images instead of a generator's samples, at the size of the job's own."""
        work = EvaluateJob(self.images, self.evaluate_settings, self._statistics_cache, self.setup)
        own_size = self.data_settings.model_copy(update={"image_size": self.images.image_size, "max_images": None})
        folder = self.out / "evaluation" if self.out is not None and is_rank_0() else None
        return evaluate_images_into(folder, work, images_from(given, own_size, self.out), seed=self.seed)

    def _note_taken_cores(self) -> None:
        """Say if other programs keep the cores busy on which this stage would compute with several threads."""
        self.images  # noqa: B018 - reading them gives the look at the cores some time
        computes_here = is_rank_0() and chosen_device(self.setup.device).type == "cpu"
        if computes_here and (said := cores.notice(torch.get_num_threads())):
            warnings.warn(said, Notice, stacklevel=2)

    def _small_evaluation(self, device: torch.device) -> Evaluate:
        """Return the function that the trainer calls every `evaluate_steps`; it returns protocol → value.

        Extractor and reference statistics are made once; missing weights are an error before the first step.
        """
        settings = self.evaluate_settings.model_copy(update={"floor": False})
        evaluator = Evaluator(self.images, settings, device=device, cache=self._statistics_cache)

        def measure(generator: Generator, step: int) -> dict[str, float]:
            scores = evaluator.generator(generator, seed=self.seed, progress=False)["scores"]
            return {protocol: score["value"] for protocol, score in scores.items()}

        return measure

    @cached_property
    def _statistics_cache(self) -> Path | None:
        """The folder for reference statistics; None for images whose fingerprint does not match their content.

        The fingerprint is the cache's key, and an `ImageSet` built by hand may hold any.
        """
        if isinstance(self.data, ImageSet):
            found = self.images
            if found.fingerprint != content_fingerprint(found.images, found.labels, found.class_names):
                return None
        return cache_folder(self.data_settings)


def check_later_stages(
    images: ImageSet, *, gan: GanSettings, evaluate: EvaluateSettings, device: str, begun: Path | None = None
) -> None:
    """Raise, before a search, the `UserError` that `train` or `evaluate` would raise for these images and settings.

    `begun` is the folder of a training that may have begun.
    """
    check_training(resolve_gan(gan, begun), images, chosen_device(device), num_ranks())
    Evaluator(images, evaluate, device="cpu")


def source_of(data: Data) -> str:
    """Return the name of the source for presets; images in memory have none."""
    if isinstance(data, ImageSet):
        return data.source
    return os.fspath(data) if isinstance(data, str | os.PathLike) else ""


def python_call(name: str, *arguments: object, **more: object) -> list[str]:
    """Return a command line that represents a call from Python; None values of `more` are left out."""
    shown = [_in_call(argument) for argument in arguments]
    shown += [f"{key}={_in_call(value)}" for key, value in more.items() if value is not None]
    return ["python", "-c", f"import degas; degas.{name}({', '.join(shown)})"]


def _in_call(value: object) -> str:
    if isinstance(value, (str, Path)):
        return repr(str(value))
    return "None" if value is None else f"<{type(value).__name__}>"
