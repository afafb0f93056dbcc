"""The options of every command, as models that tyro reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from degas.config import (
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
from degas.presets import PresetName

Source = Annotated[str, tyro.conf.arg(name="data", metavar="SRC")]
SOURCE = "digits, photos, a folder, zip or .npz of images, an official archive, or hub:ID"
FILE = "architecture.json, a run folder that holds one, or the name of a shipped one"
Device = Literal["auto", "cpu", "cuda"]


class Shared(Settings):
    """What every stage takes."""

    source: Source = setting(..., SOURCE)
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")] = setting(..., "run folder")
    seed: int = setting(0, "seed of everything random")
    preset: PresetName = setting("default", "settings to start from; the options below change them")
    resume: bool = setting(False, "go on with the run that the folder holds")
    device: Device = setting("auto", "where to compute; auto: the GPU if there is one")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()


class Tracked(Shared):
    """What stages take that run for long."""

    tracker: Literal["none", "tensorboard"] = setting(
        "none", "also write curves, samples and α for this tracker; tensorboard needs the extra of that name"
    )


class Searching(Tracked):
    """What stages take that search."""

    max_params: Positive | None = setting(None, "short for --search.max-params")
    max_macs: Positive | None = setting(None, "short for --search.max-macs")
    search: SearchSettings = SearchSettings()

    def search_settings(self) -> SearchSettings:
        """Those of the search, with what was given in short."""
        short = {"max_params": self.max_params, "max_macs": self.max_macs}
        return self.search.model_copy(update={name: value for name, value in short.items() if value is not None})


class SearchOptions(Searching):
    """Search a generator architecture by GLO, and prune it to one file.

    Writes RUN/search: architecture.json, alpha.jsonl, metrics.jsonl, reconstructions, samples, the drawing.
    """

    seeds: Annotated[int, Field(ge=2, le=1000)] | None = setting(
        None, "search with so many seeds from --seed on; the result is their consensus, and how far they agree"
    )
    space: SpaceSettings = SpaceSettings()


class TrainOptions(Tracked):
    """Train an architecture, or a baseline, as the generator of a GAN.

    Writes RUN/train: generator/ (model.safetensors, config.json), metrics.jsonl, samples.
    """

    architecture: str = setting(..., f"{FILE}; or resnet, dcgan")
    dry_run: bool = setting(False, "print every setting with its value and source, and stop")
    space: SpaceSettings = SpaceSettings()
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


class EvaluateOptions(Shared):
    """Measure a generator against a data set. Writes RUN/evaluation/scores.json."""

    generator: Path = setting(..., "generator folder, or a run folder that holds one")
    resume: bool = setting(False, "of no effect: a measurement begins anew, and keeps scores of other kinds")
    inception_weights: Path | None = setting(None, "short for --evaluate.inception-weights")
    evaluate: EvaluateSettings = EvaluateSettings()


class RunOptions(Searching):
    """The whole job in order: search, train, evaluate, sample, report; what is already done is skipped."""

    resume: bool = setting(False, "of no effect: what the folder holds is gone on with in any case")
    space: SpaceSettings = SpaceSettings()
    gan: GanSettings = GanSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


class SampleOptions(Settings):
    """Draw samples from a generator, as one grid or as a folder of PNG files."""

    generator: Path = setting(..., "generator folder, or a run folder that holds one")
    out: Path = setting(..., "a .png file for a grid, anything else is a folder of PNG files")
    num_images: Annotated[int, Field(ge=1, le=10_000_000)] = setting(64, "images to draw")
    seed: int = setting(0, "image i depends on (seed, i) alone")
    label: str | None = setting(None, "class name or number; `all` gives a row per class")
    columns: Positive | None = setting(None, "columns of the grid; default: about square")
    device: Device = setting("auto", "where to compute")


class ExportOptions(Settings):
    """Write a generator as an ONNX file or a torch.export program, checked against PyTorch."""

    generator: Path = setting(..., "generator folder, or a run folder that holds one")
    format: Literal["onnx", "torch-export"] = setting(
        "onnx", "onnx needs the extra `export`; torch-export is read by torch.export.load"
    )
    out: Path = setting(..., "the file, such as generator.onnx or generator.pt2")


class ReportOptions(Settings):
    """Write one self-contained HTML page about one run, or several side by side."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = setting((), "run folders, one or more")
    out: Path | None = setting(None, "HTML file; default: report.html in the first run folder")


class DescribeOptions(Settings):
    """Say what an architecture is: operations, parameters, multiply-adds, and a picture."""

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")] = setting(..., FILE)
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = setting(False, "print one JSON object")
    out: Path | None = setting(None, "write the picture to this .png or .svg file")
    width: Width | None = setting(None, "channels, instead of the file's")
    image_size: ImageSize | None = setting(None, "pixels, instead of the file's; base and noise size scale with it")


class RandomOptions(Settings):
    """Draw an architecture uniformly from the space of what pruning can return."""

    seed: int = setting(0, "the same seed gives the same architecture")
    out: Path | None = setting(None, "write it to this file instead of printing it")
    from_alpha: bool = setting(False, "prune random α instead of drawing uniformly (the paper's ablation, §4.2)")
    image_size: ImageSize = setting(32, "pixels along each side")
    channels: Literal[1, 3] = setting(3, "1 grey, 3 colour")
    width: int = setting(32, "channels of every feature map")
    noise_size: int = setting(128, "entries of the noise")
    space: SpaceSettings = SpaceSettings()


class SpaceOptions(Settings):
    """The search space: its edges, candidates and two counts."""

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = setting(False, "print one JSON object")
    image_size: ImageSize = setting(32, "pixels along each side")
    width: Width = setting(128, "channels, for the parameter counts")
    noise_size: NoiseSize = setting(128, "entries of the noise, for the parameter counts")
    space: SpaceSettings = SpaceSettings()


class DataOptions(Settings):
    """`info SRC`: what a data source holds and what is wrong with it. `fetch NAME`: download an official archive."""

    action: Annotated[tyro.conf.Positional[Literal["info", "fetch"]], tyro.conf.arg(metavar="ACTION")] = setting(
        ..., "info or fetch"
    )
    target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TARGET")] = setting(
        ..., f"info: {SOURCE}; fetch: cifar10 or stl10"
    )
    out: Path | None = setting(None, "info: write mean image and samples to this .png file; fetch: folder to fill")
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = setting(False, "print one JSON object")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()


class FeaturesOptions(Settings):
    """`train`: train a small classifier on labelled images, for `--evaluate.extractor classifier`."""

    action: Annotated[tyro.conf.Positional[Literal["train"]], tyro.conf.arg(metavar="ACTION")] = setting(..., "train")
    source: Source = setting(..., SOURCE)
    out: Path = setting(..., "folder of the classifier")
    seed: int = setting(0, "seed of weights, batches and the held-out split")
    num_epochs: Positive | None = setting(None, "passes over the images; default: 8, or what makes 600 steps")
    precision: Literal["float32", "bfloat16"] = setting("float32", "arithmetic of the convolutions")
    device: Device = setting("auto", "where to compute")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()
