"""Training that begins with the weights of a finished generator (`--init`): the checks, and the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from degas.data.image_set import ImageSet, check_size
from degas.errors import UserError
from degas.generator.config import sizes_of
from degas.generator.find import generator_folder
from degas.generator.generator import Generator
from degas.nets.generators import GENERATORS
from degas.runtime.checkpoint import load_newest
from degas.runtime.fingerprint import fingerprint_of
from degas.runtime.json_files import read_config
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import GanSettings, SpaceSettings, TrainingSettings
from degas.space.architecture import Architecture
from degas.space.find import load_architecture

IN_MEMORY = "a generator in memory"
FIRST_WEIGHTS = ("image_gain", "deconv_start", "frame_start")  # settings for drawing initial weights


@dataclass(frozen=True)
class Start:
    """The generator that a training begins with.

    `record` is the entry in config.json for given weights, None for new ones: `generator`, the name as given, and
    `weights`, their digest. `missing` says why given weights are unreadable; then a checkpoint must hold newer ones.
    """

    generator: Generator
    record: Mapping[str, str] | None = None
    missing: UserError | None = None

    def check_weights(self, folder: StageFolder) -> None:
        """Raise `UserError` if the weights are missing and `folder` has no usable checkpoint either."""
        if self.missing is None or folder.done() or load_newest(folder.checkpoints, lambda line: None) is not None:
            return
        raise self.missing


def start_from(
    init: Generator | str | Path,
    architecture: Architecture | str | Path | None,
    images: ImageSet,
    gan: GanSettings,
    space: SpaceSettings,
    seed: int,
    begun: Path | None = None,
) -> Start:
    """The generator `init`, ready to be trained on `images`; raises `UserError` if the two do not fit.

    Architecture and sizes are those of `init`. `begun` is the folder of a training to resume: if that training began
    with `init` and `init` is no longer readable, its config.json is enough.
    """
    name, missing = name_of(init), None
    try:
        trained = init if isinstance(init, Generator) else Generator.load(generator_folder(init))
        record = {"generator": name, "weights": fingerprint_of(trained)}
    except UserError as error:
        held = _begun_with(name, begun)
        if held is None:
            raise
        missing, record = error, dict(held["init"])
        trained = Generator(held["generator"], f"{begun}/config.json")
    check_fit(trained, name, architecture, images, gan, space)
    return Start(_ready(trained, images, gan, seed), record, missing)


def name_of(init: Generator | str | Path) -> str:
    """The name of `init` in files and messages: as given, or the folder that it was loaded from."""
    return str(init) if not isinstance(init, Generator) else str(init.loaded_from or IN_MEMORY)


def check_fit(
    trained: Generator,
    name: str,
    architecture: Architecture | str | Path | None,
    images: ImageSet,
    gan: GanSettings,
    space: SpaceSettings,
) -> None:
    """Raise `UserError` if images or settings need another generator than the given one."""
    check_size(images, trained, "generator of --init")
    if architecture is not None and not _same_architecture(architecture, trained):
        raise UserError(f"--architecture: {name} has another one; leave it out, since --init gives its own")
    _check_classes(trained, name, images, gan)
    _check_settings(trained, gan, space)
    if not all(bool(value.isfinite().all()) for value in trained.state_dict().values()):
        raise UserError(f"--init {name}: its weights are not all finite numbers; give another generator")


def _same_architecture(architecture: Architecture | str | Path, trained: Generator) -> bool:
    """Return whether the two have the same operations on the same graph; sizes are always the generator's."""
    if isinstance(architecture, str) and architecture in GENERATORS:
        return architecture == trained.config["kind"]
    wanted, own = load_architecture(architecture, GENERATORS), trained.architecture
    return own is not None and _operations(wanted) == _operations(own)


def _operations(architecture: Architecture) -> tuple[object, ...]:
    return architecture.graph, architecture.edges, architecture.separable_order


def _check_classes(trained: Generator, name: str, images: ImageSet, gan: GanSettings) -> None:
    """Require the same number of classes as before. Class k of the images gets scale and shift of the old class k."""
    if trained.num_classes and not gan.supervised:
        raise UserError(
            f"--init {name}: its batch norms are conditional on {trained.num_classes} classes; add --gan.supervised, "
            "or give a generator without classes"
        )
    if gan.supervised and not trained.num_classes:
        raise UserError(
            f"--init {name}: it has no classes; leave out --gan.supervised, or give a generator of "
            f"{images.num_classes} classes"
        )
    if gan.supervised and trained.num_classes != images.num_classes:
        raise UserError(
            f"--init {name}: it has {trained.num_classes} classes, but {images.source} has {images.num_classes}; give "
            f"images of {trained.num_classes} classes, or another generator"
        )


def _check_settings(trained: Generator, gan: GanSettings, space: SpaceSettings) -> None:
    """Reject settings that would have no effect: other sizes, and the draw of initial weights."""
    sizes = sizes_of(trained.config)
    asked = {
        "--gan.generator-width": (gan.generator_width, sizes["width"]),
        "--gan.noise-size": (gan.noise_size, sizes["noise_size"]),
        "--space.base-size": (space.base_size, sizes["base_size"]),
    }
    other = {f"{option} {wanted}": own for option, (wanted, own) in asked.items() if wanted not in (None, own)}
    if other:
        have, it = ", ".join(map(str, other.values())), "it" if len(other) == 1 else "them"
        raise UserError(f"{' '.join(other)}: the generator of --init has {have}; leave {it} out")
    if gan.grow != "none":
        raise UserError("--gan.grow: begins with new weights at a small size; leave out --init or --gan.grow")
    drawn = [name for name in FIRST_WEIGHTS if getattr(gan, name) != TrainingSettings.model_fields[name].default]
    if drawn:
        options = " ".join(f"--gan.{name.replace('_', '-')}" for name in drawn)
        does, mend = ("sets", "leave out one of them") if len(drawn) == 1 else ("set", "leave out these or --init")
        raise UserError(f"{options}: {does} initial weights, but --init gives trained ones; {mend}")


def _ready(trained: Generator, images: ImageSet, gan: GanSettings, seed: int) -> Generator:
    """Return a copy for training: on the CPU, in float32, with the classes of the images."""
    names = list(images.class_names) if gan.supervised else []
    config = {**trained.config, "class_names": names, "sampling_bn": gan.sampling_bn}
    with forked_rng(seed, "generator weights"):
        generator = Generator(config)
    with torch.no_grad():
        generator.load_state_dict(trained.state_dict())
    return generator


def _begun_with(name: str, folder: Path | None) -> dict[str, Any] | None:
    """Return config.json of the training in `folder`, if it began with the generator of this name."""
    try:
        held = read_config(folder / "config.json") if folder is not None else {}
    except (UserError, OSError):
        return None
    record = held.get("init")
    return held if isinstance(record, dict) and record.get("generator") == name else None
