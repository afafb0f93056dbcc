"""The stages as Python functions; the command line calls the same ones.

Each stage reads images and files, writes files into a run folder, and returns its result. `data` is a SRC string as on
the command line (`"digits"`, a folder, …), images in memory (an array or tensor of uint8, a list of PIL images, a data
set with `len()` and `[i]`, any of these with labels as a pair), or an `ImageSet`. Sections of settings are settings
objects or plain dictionaries, which change the preset's values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from degas.api.job import Data, Job, python_call
from degas.data.sources import images_from
from degas.errors import UserError
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.nas.inversion import invert as invert_into
from degas.nas.stage import Ahead
from degas.runtime.distributed import chosen_device
from degas.runtime.folder_lock import owned_folder
from degas.runtime.paths import expanded
from degas.runtime.setup import Setup
from degas.runtime.torch_state import plain_torch
from degas.runtime.tracking import Tracker
from degas.settings.inversion import InvertSettings
from degas.settings.rejections import whole
from degas.settings.resolve import Section, settings_for
from degas.settings.sections import DataSettings
from degas.space.architecture import Architecture


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
    ahead: Ahead | None = None,
) -> Architecture:
    """Search a generator architecture for `data` and prune it (paper §3.2).

    Writes `out`/search (a temporary folder if `out` is None) and returns the architecture. With `seeds` (two or more)
    it is the consensus of that many searches, with `seed`, `seed` + 1, …, each in `out`/search/seed-N: their mean
    measured losses, or mean α, are pruned; `out`/search/agreement.json measures their agreement. `ahead`, called with
    the folder and the seeds that are missing, may make these searches first, by other processes. Raises `UserError` if
    the input or a setting is invalid, or the folder holds another run; warns of a degenerate result (degenerate.json).
    """
    setup = Setup(preset, device, progress, tracker, command or python_call("search", data, out))
    job = Job(data, out, seed, setup, resume=resume, data_settings=data_settings, space=space, search=search)
    return job.search(seeds, ahead)


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
    """Train a generator adversarially (paper §3.2 "GAN training"; CT-GAN and other objectives).

    `architecture` is an `Architecture`, an architecture file, a run folder that holds one, the name of a shipped one,
    `resnet` or `dcgan`. It is adapted to the images' size and channels as in the paper (§4.1). With `init`, a trained
    generator or its folder, training begins with its weights instead of new ones; the images must have its size,
    channels and number of classes, and `architecture` may be None, since it is that of `init`. Writes `out`/train and
    returns the generator.
    """
    called = command or python_call("train", architecture, data, out, init=init)
    setup = Setup(preset, device, progress, tracker, called)
    job = Job(
        data, out, seed, setup, resume=resume, data_settings=data_settings, space=space, gan=gan, evaluate=evaluate
    )
    return job.train(architecture, init)


def evaluate(
    generator: Generator | str | Path | None,
    data: Data,
    out: str | Path | None = None,
    *,
    images: Data | None = None,
    preset: str = "default",
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    data_settings: Section = None,
    evaluate: Section = None,
    command: list[str] | None = None,
) -> dict[str, Any]:
    """Measure a generator against a data set (paper §4): the object of scores.json.

    With `images` instead of a generator, these are scored, whoever made them: up to `num_samples` of them, in a fixed
    random order, at the size of `data`. Earlier scores of the same generator on the same images are kept. Writes
    scores.json, config.json and environment.json into `out`/evaluation if `out` is given; of several processes only the
    first one writes.
    """
    setup = Setup(
        preset, device, progress, "none", command or python_call("evaluate", generator, data, out, images=images)
    )
    job = Job(data, out, seed, setup, data_settings=data_settings, evaluate=evaluate)
    if images is None and generator is not None:
        return job.evaluate(generator)
    if images is None or generator is not None:
        raise UserError("evaluate: give a generator or images (--generator or --images), one of the two")
    return job.evaluate_images(images)


def invert(
    generator: Generator | str | Path,
    data: Data,
    out: str | Path,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    data_settings: Section = None,
    invert: Section = None,
) -> dict[str, Any]:
    """Find latents that reconstruct images with a trained generator, whose weights stay frozen.

    Without an image size in `data_settings` the images are read at the generator's. Writes latents.safetensors,
    errors.json and reconstructions.png into `out`/inversion, where a stopped inversion continues, and returns the
    object of errors.json: `mean_squared_error` and `mean_loss` over images, `squared_errors` of each, and
    `mean_image_squared_error`, that of the mean image alone, for pixels in [−1, 1]. Raises `UserError` if sizes,
    channels or classes of generator and images differ, or the folder holds another inversion.
    """
    seed = whole("seed", seed)
    settings = settings_for("invert", InvertSettings, invert, "default")
    where = chosen_device(device)
    loaded = generator if isinstance(generator, Generator) else Generator.load(generator_folder(generator), where)
    given = settings_for("data", DataSettings, data_settings, "default")
    if given.image_size is None:
        given = given.model_copy(update={"image_size": loaded.image_size})
    folder = expanded(out) / "inversion"
    with plain_torch(keep_random_state=True), owned_folder(folder):
        images = images_from(data, given, expanded(out))
        return invert_into(loaded, images, folder, settings, seed=seed, device=where, progress=progress)
