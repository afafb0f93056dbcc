"""The options of every command, as models that `degas.cli.parse` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.arguments import Argument
from degas.settings.presets import PresetName
from degas.settings.sections import (
    Count,
    DataSettings,
    EvaluateSettings,
    GanSettings,
    ImageSize,
    NoiseSize,
    Positive,
    SearchSettings,
    Settings,
    SpaceSettings,
    Width,
    setting,
)

Source = Annotated[str, Argument(name="data", metavar="SRC")]
Folder = Annotated[Path, Argument(metavar="FOLDER", endings=())]
AsJson = Annotated[bool, Argument(name="json")]
SOURCE = "digits, photos, a folder, zip or .npz of images, an official archive, or hub:ID"
FILE = "architecture.json, a run folder that holds one, or the name of a shipped one"
GENERATOR = "generator folder, or a run folder that holds one"
DRY_RUN = "print settings, images, parameters, memory and steps, and stop; nothing is written"
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
    """Options of stages that run for long."""

    dry_run: bool = setting(False, DRY_RUN)
    tracker: Annotated[Literal["none", "tensorboard"], Argument(rare=True)] = setting(
        "none", "also write curves, samples and α for this tracker; tensorboard needs the extra of that name"
    )


class Searching(Tracked):
    """Options of stages that search."""

    seeds: Seeds | None = setting(
        None, "search with so many seeds from --seed on and take their consensus; default: one search"
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


class SearchOptions(Searching):
    """Search a generator architecture by GLO, and prune it to one file.

    Writes RUN/search: architecture.json, alpha.jsonl, metrics.jsonl, reconstructions, samples, the drawing.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas search --data digits --out runs/digits --preset quick",
        "degas search --data my-images --out runs/mine --data.image-size 32 --seeds 5",
        "degas search --data my-images --out runs/small --max-params 200k --dry-run",
    )
    resume: bool = setting(False, "go on with the run that the folder holds")


class TrainOptions(Tracked):
    """Train an architecture, or a baseline, as the generator of a GAN.

    Writes RUN/train: generator/ (model.safetensors, config.json), metrics.jsonl, samples.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas train --architecture runs/mine --data my-images --out runs/mine",
        "degas train --architecture resnet --data digits --out runs/resnet --preset quick",
        "degas train --architecture runs/mine --data my-images --out runs/classes --gan.supervised",
    )
    architecture: str = setting(..., f"{FILE}; or resnet, dcgan")
    resume: bool = setting(False, "go on with the run that the folder holds")
    space: SpaceSettings = SpaceSettings()
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


class EvaluateOptions(Shared):
    """Measure a generator against a data set.

    Writes RUN/evaluation/scores.json, beside scores of other kinds that it holds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas evaluate --generator runs/mine --data my-images --out runs/mine",
        "degas evaluate --generator runs/mine --data my-images --out runs/mine --evaluate.num-samples 50k",
    )
    generator: Path = setting(..., GENERATOR)
    resume: Annotated[bool, Argument(hidden=True)] = setting(False, "for scripts that give it to every stage")
    inception_weights: Annotated[Path | None, Argument(rare=True)] = setting(
        None, "short for --evaluate.inception-weights"
    )
    evaluate: EvaluateSettings = EvaluateSettings()


class RunOptions(Searching):
    """The whole job in order: search, train, evaluate, sample, report.

    Results that the folder holds are not made again: the same command continues where it was stopped.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas run --data digits --out runs/digits --preset quick",
        "degas run --data my-images --out runs/mine --data.image-size 32 --dry-run",
        "degas run --data my-images --out runs/known --architecture degas-cifar10-nearest",
    )
    resume: Annotated[bool, Argument(hidden=True)] = setting(False, "for scripts that give it to every stage")
    architecture: str | None = setting(None, f"skip the search: {FILE}; or resnet, dcgan; default: search one")
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


class SampleOptions(Settings):
    """Draw samples from a generator, as one grid or as a folder of PNG files."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas sample --generator runs/mine --num-images 64 --out grid.png",
        "degas sample --generator runs/mine --num-images 10k --out samples",
        "degas sample --generator runs/classes --label all --out classes.png",
    )
    generator: Path = setting(..., GENERATOR)
    out: Annotated[Path, Argument(endings=(".png", ""))] = setting(
        ..., "a .png file for a grid, or a folder of PNG files"
    )
    num_images: Annotated[int, Field(ge=1, le=10_000_000)] = setting(64, "images to draw")
    seed: int = setting(0, "image i depends on (seed, i) alone")
    label: str | None = setting(
        None, "class name or number; `all` (or `*`) gives a row per class; default: drawn uniformly, if there are any"
    )
    columns: Positive | None = setting(None, "columns of the grid; default: about square")
    device: Device = setting("auto", "where to compute")


class ExportOptions(Settings):
    """Write a generator as an ONNX file or a torch.export program, checked against PyTorch."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas export --generator runs/mine --out generator.onnx",
        "degas export --generator runs/mine --out generator.pt2",
    )
    generator: Path = setting(..., GENERATOR)
    format: Literal["onnx", "torch-export"] | None = setting(
        None,
        "onnx needs the extra `export`; torch-export is read by torch.export.load; default: by the file's ending, "
        ".onnx or .pt2",
    )
    out: Path = setting(..., "the file, such as generator.onnx or generator.pt2")


class ReportOptions(Settings):
    """Write one self-contained HTML page about one run, or several side by side."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas report runs/mine",
        "degas report runs/mine runs/resnet --out both.html",
    )
    runs: Annotated[tuple[Path, ...], Argument(metavar="RUN", positional=True)] = setting(
        ..., "run folders, one or more"
    )
    out: Annotated[Path | None, Argument(metavar="FILE", endings=(".html", ".htm"))] = setting(
        None, "HTML file; default: report.html in the first run folder"
    )


class DescribeOptions(Settings):
    """Say what an architecture is: operations, parameters, multiply-adds, and a picture."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas describe runs/mine --out architecture.svg",
        "degas describe degas-cifar10 --image-size 64 --json",
    )
    file: Annotated[str, Argument(metavar="FILE", positional=True)] = setting(..., FILE)
    as_json: AsJson = setting(False, "print one JSON object")
    out: Annotated[Path | None, Argument(endings=(".png", ".svg"))] = setting(
        None, "write the picture to this .png or .svg file; default: no picture"
    )
    width: Width | None = setting(None, "channels of every feature map; default: the file's")
    image_size: ImageSize | None = setting(
        None, "pixels along each side; base and noise size scale with it; default: the file's"
    )


class RandomOptions(Settings):
    """Draw an architecture uniformly from the space of what pruning can return."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas random --seed 7 --out drawn.json",
        "degas random --from-alpha --image-size 48",
    )
    seed: int = setting(0, "the same seed gives the same architecture")
    out: Annotated[Path | None, Argument(endings=(".json",))] = setting(
        None, "write it to this file; default: it is printed"
    )
    from_alpha: bool = setting(False, "prune random α instead of drawing uniformly (the paper's ablation, §4.2)")
    image_size: ImageSize = setting(32, "pixels along each side")
    channels: Literal[1, 3] = setting(3, "1 grey, 3 colour")
    width: int = setting(32, "channels of every feature map")
    noise_size: int = setting(128, "entries of the noise")
    space: SpaceSettings = SpaceSettings()


class SpaceOptions(Settings):
    """The search space: its edges, candidates and two counts."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas space",
        "degas space --image-size 48 --space.up-operations nearest_conv_1x1 nearest_conv_3x3 --json",
    )
    as_json: AsJson = setting(False, "print one JSON object")
    image_size: ImageSize = setting(32, "pixels along each side")
    width: Width = setting(128, "channels, for the parameter counts")
    noise_size: NoiseSize = setting(128, "entries of the noise, for the parameter counts")
    space: SpaceSettings = SpaceSettings()


class DataInfoOptions(Settings):
    """Show what a data source holds, and what is wrong with it."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas data info my-images --out my-images.png",
        "degas data info digits --json",
    )
    source: Annotated[str, Argument(metavar="SRC", positional=True)] = setting(..., SOURCE)
    out: Annotated[Path | None, Argument(endings=(".png",))] = setting(
        None, "write mean image and samples to this .png file; default: no picture"
    )
    as_json: AsJson = setting(False, "print one JSON object")
    quiet: Annotated[bool, Argument(hidden=True)] = setting(False, "nothing is shown on the way in any case")
    data: DataSettings = DataSettings()


class DataFetchOptions(Settings):
    """Download an official archive, and check it."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ("degas data fetch cifar10", "degas data fetch stl10 --out archives")
    name: Annotated[str, Argument(metavar="NAME", positional=True)] = setting(..., "cifar10 or stl10")
    out: Annotated[Path | None, Argument(metavar="FOLDER", endings=())] = setting(
        None, "folder to fill; default: the cache folder"
    )
    quiet: bool = setting(False, "no progress")


class DataCacheOptions(Settings):
    """List the cache folder, a line an entry; --clear empties it, and what is needed later is made again."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas data cache",
        "degas data cache --clear --unused-days 30",
    )
    clear: bool = setting(False, "remove decoded images, statistics and the list of fonts")
    unused_days: Count = setting(0, "remove only what was not used for so many days")
    downloads: bool = setting(False, "remove downloaded archives and weights as well")
    folder: Annotated[Path | None, Argument(metavar="FOLDER", endings=())] = setting(
        None, "the cache folder; default: ~/.cache/degas"
    )


class FeaturesTrainOptions(Settings):
    """Train a small classifier on labelled images, for `--evaluate.extractor classifier`."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas features train --data digits --out runs/digits-classifier",
        "degas features train --data my-images --out runs/classifier --data.image-size 32 --num-epochs 20",
    )
    source: Source = setting(..., SOURCE)
    out: Folder = setting(..., "folder of the classifier")
    seed: int = setting(0, "seed of weights, batches and the held-out split")
    num_epochs: Positive | None = setting(None, "passes over the images; default: 8, or what makes 600 steps")
    precision: Annotated[Literal["float32", "bfloat16"], Argument(rare=True)] = setting(
        "float32", "arithmetic of the convolutions"
    )
    device: Device = setting("auto", "where to compute")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()
