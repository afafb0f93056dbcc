"""The options of the stages' commands, as models for `degas.cli.parse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.arguments import Argument
from degas.cli.pools import Pooled
from degas.settings.base import Positive, Settings, setting
from degas.settings.inversion import InvertSettings
from degas.settings.presets import PresetName
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings

Source = Annotated[str, Argument(name="data", metavar="SRC")]
Folder = Annotated[Path, Argument(metavar="FOLDER", endings=())]
AsJson = Annotated[bool, Argument(name="json")]
SOURCE = "digits, photos, a folder, zip or .npz of images, an official archive, or hub:ID"
FILE = "architecture.json, a run folder that holds one, or the name of a shipped one"
GENERATOR = "generator folder, a run folder that holds one, or the name of a shipped one"
INIT = f"trained generator to fine-tune: a {GENERATOR}"
DRY_RUN = "print settings, images, parameters, steps, and a search's time and memory, then stop; nothing is written"
Device = Literal["auto", "cpu", "cuda"]
Seeds = Annotated[int, Field(ge=2, le=1000)]


class Shared(Settings):
    """Options of every stage."""

    source: Source = setting(..., SOURCE)
    out: Annotated[Path, Argument(metavar="RUN", endings=())] = setting(..., "run folder")
    seed: int = setting(0, "seed of everything random")
    preset: PresetName = setting("default", "settings to start from; the options below change them")
    device: Device = setting("auto", "where to compute; auto: the GPU if there is one")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()


class Tracked(Shared):
    """Options of long stages."""

    dry_run: bool = setting(False, DRY_RUN)
    tracker: Annotated[Literal["none", "tensorboard"], Argument(rare=True)] = setting(
        "none", "also write curves, samples and α for this tracker; tensorboard needs the extra of the same name"
    )


class Searching(Tracked):
    """Options of stages that search."""

    seeds: Seeds | None = setting(
        None, "search with this many seeds, starting at --seed, and take their consensus; default: one search"
    )
    max_params: Positive | None = setting(None, "short for --search.max-params; default: no cap")
    max_macs: Annotated[Positive | None, Argument(rare=True)] = setting(
        None, "short for --search.max-macs; default: no cap"
    )
    space: SpaceSettings = SpaceSettings()
    search: SearchSettings = SearchSettings()

    def search_settings(self) -> SearchSettings:
        """Return the search's settings, with the values of the short options."""
        short = {"max_params": self.max_params, "max_macs": self.max_macs}
        return self.search.model_copy(update={name: value for name, value in short.items() if value is not None})


class SearchOptions(Pooled, Searching):
    """Search a generator architecture by GLO, and prune it to one file.

    Writes RUN/search: architecture.json, alpha.jsonl, metrics.jsonl, reconstructions, samples, the drawing.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas search --data digits --out runs/digits --preset quick",
        "degas search --data my-images --out runs/mine --data.image-size 32 --seeds 5",
        "degas search --data my-images --out runs/small --max-params 200k --dry-run",
    )
    quiet: bool = setting(False, "no progress")
    resume: bool = setting(False, "resume the run in the folder")


class TrainOptions(Tracked):
    """Train an architecture, or a baseline, as the generator of a GAN.

    Writes RUN/train: generator/ (model.safetensors, config.json), metrics.jsonl, samples.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas train --architecture runs/mine --data my-images --out runs/mine",
        "degas train --architecture resnet --data digits --out runs/classes --preset quick --gan.supervised",
        "degas train --init runs/mine --data other-images --out runs/tuned",
    )
    architecture: Annotated[str | None, Argument(unless="--init")] = setting(None, f"{FILE}; or resnet, dcgan")
    init: Annotated[str | None, Argument(metavar="GENERATOR")] = setting(
        None, f"{INIT}; it sets architecture and sizes; default: new weights"
    )
    resume: bool = setting(False, "resume the run in the folder")
    space: SpaceSettings = SpaceSettings()
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


class EvaluateOptions(Shared):
    """Measure a generator, or any images, against a data set.

    Writes RUN/evaluation/scores.json and keeps other scores in it.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas evaluate --generator runs/mine --data my-images --out runs/mine",
        "degas evaluate --generator runs/mine --data my-images --out runs/mine --evaluate.num-samples 50k",
        "degas evaluate --images samples-of-another-code --data my-images --out runs/theirs",
    )
    generator: Annotated[str | None, Argument(metavar="GENERATOR", unless="--images")] = setting(None, GENERATOR)
    images: Annotated[str | None, Argument(metavar="SRC")] = setting(
        None, "score these images, whoever made them, in the place of a generator's; default: the generator's samples"
    )
    resume: Annotated[bool, Argument(hidden=True)] = setting(False, "for scripts that give it to every stage")
    inception_weights: Annotated[Path | None, Argument(rare=True)] = setting(
        None, "short for --evaluate.inception-weights"
    )
    evaluate: EvaluateSettings = EvaluateSettings()


class InvertOptions(Settings):
    """Find latents that reconstruct given images with a trained generator, whose weights stay frozen.

    Writes RUN/inversion: latents.safetensors, errors.json, reconstructions.png. The same command continues.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas invert --generator runs/mine --data my-images --out runs/mine",
        "degas invert --generator degas-digits --data digits --out runs/inverted --data.max-images 64",
    )
    generator: Annotated[str, Argument(metavar="GENERATOR")] = setting(..., GENERATOR)
    source: Source = setting(..., SOURCE)
    out: Annotated[Path, Argument(metavar="RUN", endings=())] = setting(..., "run folder")
    seed: int = setting(0, "seed of the draws")
    device: Device = setting("auto", "where to compute; auto: the GPU if there is one")
    quiet: bool = setting(False, "no progress")
    resume: Annotated[bool, Argument(hidden=True)] = setting(False, "for scripts that give it to every stage")
    data: DataSettings = DataSettings()
    invert: InvertSettings = InvertSettings()


class RunOptions(Searching):
    """Run all stages in order: search, train, evaluate, sample, report.

    Existing results in the folder are not made again: the same command continues a stopped run.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas run --data digits --out runs/digits --preset quick",
        "degas run --data my-images --out runs/mine --data.image-size 32 --dry-run",
        "degas run --data my-images --out runs/known --architecture degas-cifar10-nearest",
    )
    resume: Annotated[bool, Argument(hidden=True)] = setting(False, "for scripts that give it to every stage")
    architecture: str | None = setting(None, f"skip the search: {FILE}; or resnet, dcgan; default: search one")
    init: Annotated[str | None, Argument(metavar="GENERATOR")] = setting(
        None, f"skip the search: {INIT}; default: new weights"
    )
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
