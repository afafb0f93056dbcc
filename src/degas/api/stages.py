"""The stages as Python functions; the command line calls the same ones.

Each stage reads images and files, writes files into a run folder, and returns what it made. `data` is a SRC string as
on the command line (`"digits"`, a folder, …), images in memory (an array or tensor of uint8, a list of PIL images, a
data set with `len()` and `[i]`, any of these with labels as a pair), or an `ImageSet`. Sections of settings are
settings objects or plain dictionaries laid over the preset.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from degas.data.cache import cache_folder
from degas.data.image_set import ImageSet, content_fingerprint
from degas.data.sources import images_from
from degas.errors import UserError
from degas.evaluation.evaluate import Evaluator
from degas.evaluation.extractors.build import evaluate_record
from degas.evaluation.stage import EvaluateJob, evaluate_into
from degas.gan.bookkeeping import Evaluate
from degas.gan.checks import check_training
from degas.gan.settings import gan_section, resolve_gan
from degas.gan.stage import TrainJob, train_once
from degas.generator.generator import Generator
from degas.nas.stage import SearchJob, search_into
from degas.runtime.distributed import chosen_device
from degas.runtime.environment import is_rank_0, num_ranks
from degas.runtime.paths import expanded
from degas.runtime.torch_state import plain_torch
from degas.runtime.tracking import Tracker
from degas.settings.refusals import whole
from degas.settings.resolve import Section, begun_search, settings_for
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture

Data = Any  # what `degas.data.from_python.ACCEPTED` says


@plain_torch(keep_random_state=True)
def search(
    data: Data,
    out: str | Path | None = None,
    *,
    preset: str = "default",
    seed: int = 0,
    seeds: int | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
    tracker: str | Tracker = "none",
    data_settings: Section = None,
    space: Section = None,
    search: Section = None,
    command: list[str] | None = None,
) -> Architecture:
    """Search a generator architecture for `data` and prune it (paper §3.2).

    Writes `out`/search (a temporary folder when `out` is None) and returns the architecture. With `seeds` (two or
    more) it is the consensus of as many searches, with `seed`, `seed` + 1, …, each in `out`/search/seed-N: their
    mean measured losses, or mean α, are pruned; `out`/search/agreement.json says how far they agree. Raises
    `UserError` where the input or a setting is at fault, or the folder holds another run; warns of a degenerate end
    (degenerate.json).
    """
    from degas.nas.checks import check_settings

    source, seed = source_of(data), whole("seed", seed)
    seeds = None if seeds is None else whole("seeds", seeds)
    settings = settings_for("search", SearchSettings, search, preset, source, begun_search(out))
    check_settings(settings)  # before images are read
    job = SearchJob(
        space=settings_for("space", SpaceSettings, space, preset, source),
        search=settings,
        images=images_of(data, data_settings, out),
        preset=preset,
        device=device,
        progress=progress,
        tracker=tracker,
        command=command or _python_call("search", data, out),
    )
    return search_into(_out(out) / "search", job, seed=seed, num_seeds=seeds, resume=resume)


@plain_torch(keep_random_state=True)
def train(
    architecture: Architecture | str | Path | None,
    data: Data,
    out: str | Path | None = None,
    *,
    init: Generator | str | Path | None = None,
    preset: str = "default",
    seed: int = 0,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
    tracker: str | Tracker = "none",
    data_settings: Section = None,
    space: Section = None,
    gan: Section = None,
    evaluate: Section = None,
    command: list[str] | None = None,
) -> Generator:
    """Train a generator adversarially (paper §3.2 "GAN training"; CT-GAN and the objectives beside it).

    `architecture` is an `Architecture`, an architecture file, a run folder that holds one, the name of a shipped one,
    `resnet` or `dcgan`. It is moved to the images' size and channels as the paper does (§4.1). With `init`, a trained
    generator or its folder, training begins with its weights instead of fresh ones; the images then have its size,
    channels and number of classes, and `architecture` may be None, for it is that of `init`. Writes `out`/train and
    returns the generator.
    """
    source, seed = source_of(data), whole("seed", seed)
    images = images_of(data, data_settings, out)
    measured = settings_for("evaluate", EvaluateSettings, evaluate, preset, source)

    def make_evaluate(device: torch.device) -> Evaluate:
        return _small_evaluation(images, measured, seed, device, _statistics_cache(data, images, data_settings))

    job = TrainJob(
        architecture=architecture,
        images=images,
        space=settings_for("space", SpaceSettings, space, preset, source),
        gan=settings_for("gan", gan_section(), gan, preset, source),
        evaluate=evaluate_record(measured),
        make_evaluate=make_evaluate,
        preset=preset,
        device=device,
        progress=progress,
        tracker=tracker,
        command=command or _python_call("train", architecture, data, out, init=init),
        init=init,
    )
    return train_once(job, _out(out) / "train", seed=seed, resume=resume)


def check_later_stages(images: ImageSet, *, gan: GanSettings, evaluate: EvaluateSettings, device: str) -> None:
    """Raise the `UserError` that `train` or `evaluate` would raise for these images and settings, before a search."""
    check_training(resolve_gan(gan), images, chosen_device(device), num_ranks())
    Evaluator(images, evaluate, device="cpu")


@plain_torch(keep_random_state=True)
def evaluate(
    generator: Generator | str | Path,
    data: Data,
    out: str | Path | None = None,
    *,
    preset: str = "default",
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    data_settings: Section = None,
    evaluate: Section = None,
    command: list[str] | None = None,
) -> dict[str, Any]:
    """Measure a generator against a data set (paper §4): the object of scores.json.

    Scores of an earlier evaluation of the same generator on the same images are kept beside the new ones. Writes
    scores.json, config.json and environment.json into `out`/evaluation when `out` is given; of several processes the
    first one does.
    """
    seed = whole("seed", seed)
    images = images_of(data, data_settings, out)
    job = EvaluateJob(
        images=images,
        evaluate=settings_for("evaluate", EvaluateSettings, evaluate, preset, source_of(data)),
        cache=_statistics_cache(data, images, data_settings),
        preset=preset,
        device=device,
        progress=progress,
        command=command or _python_call("evaluate", generator, data, out),
    )
    folder = expanded(out) / "evaluation" if out is not None and is_rank_0() else None
    return evaluate_into(folder, job, generator, seed=seed)


def _small_evaluation(
    images: ImageSet, settings: EvaluateSettings, seed: int, device: torch.device, cache: Path | None
) -> Evaluate:
    """Return the function that the trainer calls every `evaluate_steps`; it gives protocol → value.

    Extractor and reference statistics are made once; missing weights are an error before the first step.
    """
    evaluator = Evaluator(images, settings.model_copy(update={"floor": False}), device=device, cache=cache)

    def measure(generator: Generator, step: int) -> dict[str, float]:
        scores = evaluator.generator(generator, seed=seed, progress=False)["scores"]
        return {protocol: score["value"] for protocol, score in scores.items()}

    return measure


def _statistics_cache(data: Data, images: ImageSet, settings: Section) -> Path | None:
    """Return the folder for reference statistics; None for images whose fingerprint is not that of their content.

    The cache's key is the fingerprint, and an `ImageSet` made by hand may hold any.
    """
    if isinstance(data, ImageSet):
        content = content_fingerprint(images.images, images.labels, images.class_names)
        if images.fingerprint != content:
            return None
    return cache_folder(settings_for("data", DataSettings, settings, "default"))


def images_of(data: Data, settings: Section, out: str | Path | None) -> ImageSet:
    """Return the images that `data` means; those of a run in `out` are never among them."""
    folder = expanded(out) if out is not None else None
    return images_from(data, settings_for("data", DataSettings, settings, "default"), folder)


def source_of(data: Data) -> str:
    """Return the name by which presets go; images in memory have none."""
    if isinstance(data, ImageSet):
        return data.source
    return os.fspath(data) if isinstance(data, str | os.PathLike) else ""


def _out(out: str | Path | None) -> Path:
    if out is None and num_ranks() > 1:
        raise UserError("out: name a folder; several processes have to share it, and each would make one of its own")
    return expanded(out) if out is not None else Path(tempfile.mkdtemp(prefix="degas-"))


def _python_call(name: str, *arguments: object, **more: object) -> list[str]:
    shown = [_in_call(argument) for argument in arguments]
    shown += [f"{key}={_in_call(value)}" for key, value in more.items() if value is not None]
    return ["python", "-c", f"import degas; degas.{name}({', '.join(shown)})"]


def _in_call(value: object) -> str:
    if isinstance(value, (str, Path)):
        return repr(str(value))
    return "None" if value is None else f"<{type(value).__name__}>"
