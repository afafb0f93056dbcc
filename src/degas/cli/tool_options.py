"""Options of the other commands. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from degas.cli.arguments import Argument
from degas.cli.options import FILE, GENERATOR, SOURCE, AsJson, Device, Folder, Source
from degas.cli.pools import ADDRESS, LOCAL, Cores, Gpus
from degas.settings.base import Count, ImageSize, NoiseSize, Positive, Settings, Width, setting
from degas.settings.sections import DataSettings, SpaceSettings


class SampleOptions(Settings):
    """Draw samples from a generator, as one grid or as a folder of PNG files; a walk between them; a training's film.

    A walk goes along the sphere from each sample to the next and from the last back to the first, with N images in
    between: as .png one row per pair (N + 2 images), as .webp or .gif a film.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas sample --generator runs/mine --num-images 64 --out grid.png",
        "degas sample --generator runs/mine --interpolate 8 --out walk.png",
        "degas sample --film runs/mine",
    )
    generator: Annotated[str | None, Argument(metavar="GENERATOR")] = setting(
        None, f"{GENERATOR}; default: none, which only a film allows"
    )
    out: Path | None = setting(
        None,
        "a .png file for a grid, or a folder of PNG files; a .png, .webp or .gif file for a walk, a .webp or .gif file "
        "for a film; default: none for samples, walk.webp or film.webp in the run folder, which the report shows",
    )
    interpolate: Annotated[int, Field(ge=1, le=1000)] | None = setting(
        None, "draw a walk between samples, with N images in between; default: only samples"
    )
    film: Annotated[Path | None, Argument(metavar="RUN")] = setting(
        None, "make a film of this run's sample grids, with at most 40 frames and 2 MiB; default: no film"
    )
    num_images: Annotated[int, Field(ge=1, le=10_000_000)] | None = setting(
        None, "images to draw; default: 64, or 8 for a walk"
    )
    seed: int = setting(0, "image i depends only on (seed, i)")
    label: str | None = setting(
        None, "class name or number; `all` (or `*`) gives one row per class; default: drawn uniformly if there are any"
    )
    columns: Positive | None = setting(None, "columns of the grid; default: a nearly square grid")
    device: Device = setting("auto", "where to compute")


class ExportOptions(Settings):
    """Write a generator as an ONNX file or a torch.export program, checked against PyTorch."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas export --generator runs/mine --out generator.onnx",
        "degas export --generator runs/mine --out generator.pt2",
    )
    generator: Annotated[str, Argument(metavar="GENERATOR")] = setting(..., GENERATOR)
    format: Literal["onnx", "torch-export"] | None = setting(
        None,
        "onnx needs the extra `export`; torch.export.load reads torch-export; default: by the file's ending, "
        ".onnx or .pt2",
    )
    out: Path = setting(..., "the file, such as generator.onnx or generator.pt2")


class ReportOptions(Settings):
    """Write one self-contained HTML page about one run or several."""

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


class SweepOptions(Settings):
    """Run many trials from one TOML file: a grid, a list, or halving by paired seeds; docs/sweep.md shows examples.

    Each trial is an ordinary command with an ordinary run folder. Writes DIR: runs/NAME, logs/NAME.txt, table.json,
    report.html. The same command continues a stopped sweep, whatever stopped it.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas sweep widths.toml --out runs/widths --dry-run",
        "degas sweep widths.toml --out runs/widths",
        "degas sweep widths.toml --out /shared/widths --address auto --gpus-per-trial 0.5",
    )
    file: Annotated[Path, Argument(metavar="FILE", positional=True)] = setting(..., "the TOML file")
    out: Annotated[Path, Argument(metavar="DIR", endings=())] = setting(..., "folder of the sweep")
    address: str = setting(LOCAL, ADDRESS)
    cpus_per_trial: Cores = setting(1, "cores and threads of each trial")
    gpus_per_trial: Gpus = setting(0.0, "GPUs of each trial; 0.25: four trials share one; 0: trials compute on the CPU")
    processes: Positive | None = setting(
        None, "trials at a time on this machine; default: as many as there are cores for"
    )
    retry: bool = setting(False, "start failed and rejected trials again")
    dry_run: bool = setting(False, "check FILE, print every trial's commands, then stop; nothing is written")
    quiet: bool = setting(False, "no progress")


class DescribeOptions(Settings):
    """Describe an architecture: operations, parameters, multiply-adds, and a picture."""

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
    """Draw an architecture uniformly from those that pruning can return."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas random --seed 7 --out drawn.json",
        "degas random --from-alpha --image-size 48",
    )
    seed: int = setting(0, "the same seed gives the same architecture")
    out: Annotated[Path | None, Argument(endings=(".json",))] = setting(
        None, "write it to this file; default: print it"
    )
    from_alpha: bool = setting(False, "prune random α instead of drawing uniformly (the paper's ablation, §4.2)")
    image_size: ImageSize = setting(32, "pixels along each side")
    channels: Literal[1, 3] = setting(3, "1 grey, 3 colour")
    width: int = setting(32, "channels of every feature map")
    noise_size: int = setting(128, "entries of the noise")
    space: SpaceSettings = SpaceSettings()


class SpaceOptions(Settings):
    """The search space: its edges, candidates and two counts; with a prefix, what is left to search."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas space",
        "degas space --image-size 48 --space.up-operations nearest_conv_1x1 nearest_conv_3x3 --json",
    )
    as_json: AsJson = setting(False, "print one JSON object")
    image_size: ImageSize = setting(32, "pixels along each side")
    width: Width = setting(128, "channels, for the parameter counts")
    noise_size: NoiseSize = setting(128, "entries of the noise, for the parameter counts")
    prefix: Annotated[Path | None, Argument(metavar="FILE")] = setting(
        None, "count what a search with this --search.prefix decides; default: none"
    )
    space: SpaceSettings = SpaceSettings()


class DataInfoOptions(Settings):
    """Show the contents and the problems of a data source."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas data info my-images --out my-images.png",
        "degas data info digits --json",
    )
    source: Annotated[str, Argument(metavar="SRC", positional=True)] = setting(..., SOURCE)
    out: Annotated[Path | None, Argument(endings=(".png",))] = setting(
        None, "write mean image and samples to this .png file; default: no picture"
    )
    as_json: AsJson = setting(False, "print one JSON object")
    quiet: Annotated[bool, Argument(hidden=True)] = setting(False, "no progress is shown in any case")
    data: DataSettings = DataSettings()


class DataFetchOptions(Settings):
    """Download an official archive and check it."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ("degas data fetch cifar10", "degas data fetch stl10 --out archives")
    name: Annotated[str, Argument(metavar="NAME", positional=True)] = setting(..., "cifar10 or stl10")
    out: Annotated[Path | None, Argument(metavar="FOLDER", endings=())] = setting(
        None, "folder to fill; default: the cache folder"
    )
    quiet: bool = setting(False, "no progress")


class DataCacheOptions(Settings):
    """List the cache folder, one line per entry; --clear empties it, and contents are made again when needed."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas data cache",
        "degas data cache --clear --unused-days 30",
    )
    clear: bool = setting(False, "remove decoded images, statistics and the list of fonts")
    unused_days: Count = setting(0, "remove only entries unused for this many days")
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
    num_epochs: Positive | None = setting(None, "passes over the images; default: 8, or as many as make 600 steps")
    precision: Annotated[Literal["float32", "bfloat16"], Argument(rare=True)] = setting(
        "float32", "arithmetic of the convolutions"
    )
    device: Device = setting("auto", "where to compute")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()
