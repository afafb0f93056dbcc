"""The stages as Python functions; the command line calls the same ones.

Each stage reads images and files, writes files into a run folder, and returns what it made. `data` is a SRC string as
on the command line (`"digits"`, a folder, …), or an `ImageSet`. Sections of settings are settings objects or plain
dictionaries laid over the preset.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degas.data.cache import cache_folder
from degas.data.image_set import ImageSet, content_fingerprint
from degas.data.inspect import describe_source
from degas.data.sources import load_images
from degas.errors import UserError
from degas.evaluation.evaluate import Evaluator, check_counts, evaluate_generator
from degas.evaluation.stage import record_evaluation
from degas.gan.fresh import fresh_generator
from degas.gan.settings import gan_section, resolve_gan
from degas.gan.state import check_images
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.nas.checks import check_search
from degas.nas.stage import SearchJob, search_once, search_seeds, stage_head
from degas.nets.generators import GENERATORS
from degas.runtime.distributed import Engine, chosen_device
from degas.runtime.environment import is_rank_0, num_ranks
from degas.runtime.folder_lock import owned_folder
from degas.runtime.paths import expanded
from degas.runtime.replay import check_graphs
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder, write_environment
from degas.runtime.tracking import Tracker, make_tracker
from degas.settings.refusals import whole
from degas.settings.resolve import Section, settings_for
from degas.settings.resume_rules import resume_rules
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

Data = str | Path | ImageSet


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
    """Search a generator architecture for `data` by GLO and prune it (paper §3.2).

    Writes `out`/search (a temporary folder when `out` is None) and returns the architecture. With `seeds` (two or
    more) that is the consensus of as many searches, with `seed`, `seed` + 1, …, each in `out`/search/seed-N: what their
    mean measured losses, or mean α, prune to; how far they agree stands in `out`/search/agreement.json. Raises
    `UserError` where the input or a setting is at fault, or the folder holds another run; warns of a degenerate end
    (degenerate.json).
    """
    source, seed = _source(data), whole("seed", seed)
    seeds = None if seeds is None else whole("seeds", seeds)
    job = SearchJob(
        space=settings_for("space", SpaceSettings, space, preset, source),
        search=settings_for("search", SearchSettings, search, preset, source),
        images=_images(data, data_settings),
        preset=preset,
        device=device,
        progress=progress,
        tracker=tracker,
        command=command or _python_call("search", data, out),
    )
    stage = _out(out) / "search"
    if seeds is None:
        return search_once(job, stage, seed=seed, resume=resume)
    return search_seeds(job, stage, seed=seed, num_seeds=seeds, resume=resume)


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

    source, seed = _source(data), whole("seed", seed)
    given = settings_for("gan", gan_section(), gan, preset, source)
    gan_settings = resolve_gan(given)
    evaluate_settings = settings_for("evaluate", EvaluateSettings, evaluate, preset, source)
    space_settings = settings_for("space", SpaceSettings, space, preset, source)
    images = _images(data, data_settings)
    check_images(images, gan_settings, num_ranks())
    generator = generator_to_train(architecture, images, given, space_settings, seed)
    resolved = {
        **stage_head(images, seed, preset),
        "generator": generator.config,
        "gan": gan_settings.record(),
    }
    if gan_settings.evaluate_steps:  # they choose the best generator, and so decide what comes out
        resolved["evaluate"] = evaluate_settings.model_dump(mode="json")
    stage = _out(out) / "train"
    watcher = make_tracker(tracker, stage)
    plain = resolve_gan(type(given)(objective=given.objective, supervised=given.supervised))
    rules = resume_rules(gan=plain.given, evaluate=EvaluateSettings(), complete={"gan": plain.record()})
    with StageFolder(stage, settings=resolved, resume=resume, kind="train", rules=rules) as folder:
        folder.tracker = watcher
        if folder.done():
            return Generator.load(folder.path / "generator")
        write_environment(folder.path, command or _python_call("train", architecture, data, out))
        with Engine(gan_settings.precision, device) as engine:
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
    settings = settings_for("evaluate", EvaluateSettings, evaluate, preset, _source(data))
    images = _images(data, data_settings)
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


def describe_data(source: str, settings: DataSettings, grid: Path | None = None) -> dict[str, Any]:
    """`describe_source`, and among the problems what the stages would refuse of it, or take and learn nothing from."""
    facts = describe_source(source, settings, grid)
    num_images, channels, size = facts["num_readable"], facts["channels"], facts["image_size"]
    pixels = np.broadcast_to(np.uint8(0), (num_images, channels, size, size))  # only their shape is looked at
    images = ImageSet(pixels, None, (), source, "")
    gan, fewest = resolve_gan(GanSettings()), EvaluateSettings().num_samples
    checks: dict[str, Callable[[], None]] = {
        "search": lambda: check_search(SearchSettings(), SpaceSettings(), image_size=size, channels=channels),
        "training": lambda: check_images(images, gan),
        "evaluation": lambda: check_counts(fewest, num_images),
    }
    for stage, check in checks.items():
        try:
            check()
        except UserError as error:
            facts["problems"].append(_problem("refused", num_images, f"would be refused by {stage}: {error}"))
    if num_images < gan.batch_images:
        heart = f"are fewer than a batch of {gan.batch_images}: they would be learnt by heart"
        facts["problems"].append(_problem("few", num_images, heart))
    return facts


def _problem(kind: str, count: int, text: str) -> dict[str, Any]:
    return {"kind": kind, "count": count, "text": text, "examples": []}


def generator_to_train(
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


def _images(data: Data, settings: Section) -> ImageSet:
    if isinstance(data, ImageSet):
        return data
    return load_images(str(data), settings_for("data", DataSettings, settings, "default"))


def _source(data: Data) -> str:
    return data.source if isinstance(data, ImageSet) else str(data)


def _out(out: str | Path | None) -> Path:
    if out is None and num_ranks() > 1:
        raise UserError("out: name a folder; several processes have to share it, and each would make one of its own")
    return expanded(out) if out is not None else Path(tempfile.mkdtemp(prefix="degas-"))


def _python_call(name: str, *arguments: object) -> list[str]:
    shown = ", ".join(repr(str(a)) if isinstance(a, (str, Path)) else f"<{type(a).__name__}>" for a in arguments)
    return ["python", "-c", f"import degas; degas.{name}({shown})"]
