"""The stages as Python functions; the command line calls the same ones.

Each stage reads images and files, writes files into a run folder, and returns what it made. `data` is a SRC string as
on the command line (`"digits"`, a folder, …), images in memory (an array or tensor of uint8, a list of PIL images, a
data set with `len()` and `[i]`, any of these with labels as a pair), or an `ImageSet`. Sections of settings are
settings objects or plain dictionaries laid over the preset.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from degas.data.cache import cache_folder
from degas.data.image_set import ImageSet, content_fingerprint
from degas.data.sources import images_from
from degas.errors import UserError
from degas.evaluation.evaluate import Evaluator, evaluate_generator
from degas.evaluation.extractors.build import evaluate_record
from degas.evaluation.stage import record_evaluation
from degas.gan.fresh import fresh_generator
from degas.gan.settings import gan_section, resolve_gan
from degas.gan.state import check_images
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.nas.stage import SearchJob, search_into, stage_head
from degas.nets.generators import GENERATORS
from degas.runtime.distributed import Engine, chosen_device
from degas.runtime.environment import is_rank_0, num_ranks
from degas.runtime.folder_lock import owned_folder
from degas.runtime.paths import expanded
from degas.runtime.replay import check_graphs
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder, write_environment
from degas.runtime.torch_state import plain_torch
from degas.runtime.tracking import Tracker, make_tracker
from degas.settings.resolve import Section, begun_search, settings_for
from degas.settings.resume_rules import resume_rules
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

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
    more) that is the consensus of as many searches, with `seed`, `seed` + 1, …, each in `out`/search/seed-N: what their
    mean measured losses, or mean α, prune to; how far they agree stands in `out`/search/agreement.json. Raises
    `UserError` where the input or a setting is at fault, or the folder holds another run; warns of a degenerate end
    (degenerate.json).
    """
    from degas.nas.checks import check_settings

    source = _source(data)
    settings = settings_for("search", SearchSettings, search, preset, source, begun_search(out))
    check_settings(settings)  # before images are read
    job = SearchJob(
        space=settings_for("space", SpaceSettings, space, preset, source),
        search=settings,
        images=_images(data, data_settings, out),
        preset=preset,
        device=device,
        progress=progress,
        tracker=tracker,
        command=command or _python_call("search", data, out),
    )
    return search_into(_out(out) / "search", job, seed=seed, num_seeds=seeds, resume=resume)


@plain_torch(keep_random_state=True)
def train(
    architecture: Architecture | str | Path,
    data: Data,
    out: str | Path | None = None,
    *,
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
    `resnet` or `dcgan`. It is moved to the images' size and channels as the paper does (§4.1). Writes `out`/train and
    returns the generator.
    """
    from degas.gan.loop import run_training

    source = _source(data)
    given = settings_for("gan", gan_section(), gan, preset, source)
    gan_settings = resolve_gan(given)
    evaluate_settings = settings_for("evaluate", EvaluateSettings, evaluate, preset, source)
    space_settings = settings_for("space", SpaceSettings, space, preset, source)
    images = _images(data, data_settings, out)
    check_images(images, gan_settings, num_ranks())
    generator = _fresh_generator(architecture, images, given, space_settings, seed)
    resolved = {
        **stage_head(images, seed, preset),
        "generator": generator.config,
        "gan": gan_settings.record(),
    }
    if gan_settings.evaluate_steps:  # they choose the best generator, and so decide what comes out
        resolved["evaluate"] = evaluate_record(evaluate_settings)
    stage = _out(out) / "train"
    watcher = make_tracker(tracker, stage)
    plain = resolve_gan(type(given)(objective=given.objective, supervised=given.supervised))
    rules = resume_rules(gan=plain.given, evaluate=EvaluateSettings(), complete={"gan": plain.record()})
    with StageFolder(stage, settings=resolved, resume=resume, kind="train", rules=rules) as folder:
        folder.tracker = watcher
        if folder.known_done():
            return Generator.load(folder.path / "generator")
        with Engine(gan_settings.precision, device) as engine:
            if folder.done(engine):
                return Generator.load(folder.path / "generator")
            write_environment(folder.path, command or _python_call("train", architecture, data, out))
            on_evaluate = None
            if gan_settings.evaluate_steps and engine.is_main:
                cache = _statistics_cache(data, images, data_settings)
                on_evaluate = _small_evaluation(images, evaluate_settings, seed, engine.device, cache)
            run_training(
                generator,
                images,
                gan_settings,
                seed=seed,
                folder=folder,
                engine=engine,
                on_evaluate=on_evaluate,
                progress=progress,
            )
            folder.mark_done()
        return Generator.load(folder.path / "generator")


def refuse_in_vain(images: ImageSet, *, gan: GanSettings, evaluate: EvaluateSettings, device: str) -> None:
    """Raise the `UserError` that `train` or `evaluate` would raise for these images and settings, before a search."""
    where = chosen_device(device)
    if gan.cuda_graphs:
        check_graphs("gan", where, num_ranks())
    check_images(images, resolve_gan(gan), num_ranks())
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
    settings = settings_for("evaluate", EvaluateSettings, evaluate, preset, _source(data))
    images = _images(data, data_settings, out)
    folder = expanded(out) / "evaluation" if out is not None and is_rank_0() else None
    with nullcontext() if folder is None else owned_folder(folder):
        where = chosen_device(device)
        loaded = generator if isinstance(generator, Generator) else Generator.load(generator_folder(generator), where)
        _check_fit(loaded, images)
        cache = _statistics_cache(data, images, data_settings)
        scores = evaluate_generator(loaded, images, settings, seed=seed, device=where, cache=cache, progress=progress)
        if not isinstance(generator, Generator):
            scores["generator"] = {"path": str(generator), **scores["generator"]}
        if folder is None:
            return scores
        resolved = {**stage_head(images, seed, preset), "evaluate": settings.model_dump(mode="json")}
        return record_evaluation(folder, scores, resolved, command or _python_call("evaluate", generator, data, out))


def _fresh_generator(
    architecture: Architecture | str | Path, images: ImageSet, gan: GanSettings, space: SpaceSettings, seed: int
) -> Generator:
    """The generator to train, with weights drawn from the seed."""
    classes: dict[str, Any] = (
        {"num_classes": images.num_classes, "class_names": images.class_names} if gan.supervised else {}
    )
    if isinstance(architecture, str) and architecture in GENERATORS:
        graph, base_size = space.resolve(images.image_size)
        with forked_rng(seed, "generator weights"):
            return Generator.from_baseline(
                architecture,
                width=gan.generator_width or gan.width,
                noise_size=gan.noise_size or 128,
                base_size=base_size,
                num_stages=graph.num_stages,
                channels=images.channels,
                sampling_bn=gan.sampling_bn,
                **classes,
            )
    found = load_architecture(architecture, GENERATORS).for_image_size(images.image_size)
    resized = found.resized(width=gan.generator_width, noise_size=gan.noise_size, channels=images.channels)
    return fresh_generator(resized, gan, seed, **classes)


def _small_evaluation(
    images: ImageSet, settings: EvaluateSettings, seed: int, device: torch.device, cache: Path | None
) -> Callable[[Generator, int], dict[str, float]]:
    """What the trainer calls every `evaluate_steps`: protocol → value.

    Extractor and reference statistics are made once; missing weights are an error before the first step.
    """
    evaluator = Evaluator(images, settings.model_copy(update={"floor": False}), device=device, cache=cache)

    def measure(generator: Generator, step: int) -> dict[str, float]:
        scores = evaluator.generator(generator, seed=seed, progress=False)["scores"]
        return {protocol: score["value"] for protocol, score in scores.items()}

    return measure


def _statistics_cache(data: Data, images: ImageSet, settings: Section) -> Path | None:
    """Where reference statistics are kept; None for images whose fingerprint is not that of their content.

    The cache goes by the fingerprint, and an `ImageSet` made by hand may carry any.
    """
    if isinstance(data, ImageSet):
        content = content_fingerprint(images.images, images.labels, images.class_names)
        if images.fingerprint != content:
            return None
    return cache_folder(settings_for("data", DataSettings, settings, "default"))


def _check_fit(generator: Generator, images: ImageSet) -> None:
    made, real = (generator.channels, generator.image_size), (images.channels, images.image_size)
    if made != real:
        raise UserError(
            f"the generator makes {made[0]}×{made[1]}×{made[1]} images and the data are {real[0]}×{real[1]}×{real[1]}; "
            f"give --data.image-size {made[1]} --data.channels {made[0]}"
        )


def _images(data: Data, settings: Section, out: str | Path | None) -> ImageSet:
    folder = expanded(out) if out is not None else None
    return images_from(data, settings_for("data", DataSettings, settings, "default"), folder)


def _source(data: Data) -> str:
    """By which presets go; images in memory have no name."""
    if isinstance(data, ImageSet):
        return data.source
    return os.fspath(data) if isinstance(data, str | os.PathLike) else ""


def _out(out: str | Path | None) -> Path:
    if out is None and num_ranks() > 1:
        raise UserError("out: name a folder; several processes have to share it, and each would make one of its own")
    return expanded(out) if out is not None else Path(tempfile.mkdtemp(prefix="degas-"))


def _python_call(name: str, *arguments: object) -> list[str]:
    shown = ", ".join(repr(str(a)) if isinstance(a, (str, Path)) else f"<{type(a).__name__}>" for a in arguments)
    return ["python", "-c", f"import degas; degas.{name}({shown})"]
