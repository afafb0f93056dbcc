"""`degas benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from degas.cli.arguments import Argument
from degas.settings.base import ImageSize, Settings, setting

__all__ = ["Options", "main"]

SUMMARY = "time our steps against the textbook's and the machine's roofline"
LOWER = "--width, --batch-images or --image-size"
Part = Literal[
    "search",
    "adversarial-search",
    "adversarial",
    "training",
    "sampling",
    "features",
    "fid",
    "classifier",
    "breakdown",
    "threads",
    "pool",
    "compile",
    "graphs",
    "communication",
]


class Options(Settings):
    """Time our steps, interleaved with the textbook's, and compare with the machine's roofline.

    Writes FILE (JSON) and a picture next to it, and prints a table.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas benchmark --out benchmark.json",
        "degas benchmark --out benchmark.json --parts training threads --objectives mmd r3gan --width 64",
        "OMP_NUM_THREADS=1 degas benchmark --out benchmark.json --clock processor --parts search adversarial",
    )

    out: Annotated[Path, Argument(metavar="FILE", endings=(".json",))] = setting(
        Path("benchmark.json"), "the JSON file"
    )
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = setting(
        ("search", "adversarial-search", "adversarial", "training", "sampling", "features", "fid"),
        "parts to measure; training: a whole step of every objective; classifier: a step of `degas features train`; "
        "breakdown: where the time of a step goes, by the profiler; threads: our steps with one thread and with all; "
        "pool: a training per core at a time; compile: torch.compile of our steps; graphs: our steps as CUDA graphs, "
        "which need a GPU; communication: bytes that two processes exchange per step",
    )
    objectives: tuple[str, ...] | None = setting(
        None, "objectives of the parts training, threads, breakdown and pool; default: all of them, else mmd r3gan"
    )
    width: Annotated[int, Field(ge=1, le=2048)] = setting(32, "channels of every feature map, and of the critic")
    batch_images: Annotated[int, Field(ge=2, le=65536)] = setting(64, "images per step")
    image_size: ImageSize = setting(32, "pixels along each side")
    rounds: Annotated[int, Field(ge=1)] = setting(9, "interleaved runs of each part; the median counts")
    growth: bool = setting(
        False, "also our search step and a training step of mmd over width, image size, batch and number of images"
    )
    seed: int = setting(0, "seed of weights and images")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "where to compute; auto: the GPU if there is one")
    clock: Literal["wall", "processor"] = setting(
        "wall", "processor: time of one thread, for a shared machine; with OMP_NUM_THREADS=1, on the CPU"
    )
    precision: Literal["float32", "bfloat16"] = setting("float32", "arithmetic of the convolutions, on both sides")


def main(options: Options) -> None:
    from degas.cli.parse import command_line
    from degas.gan.objectives import OBJECTIVES
    from degas.runtime.distributed import Engine
    from degas.runtime.durable import reject_unwritable
    from degas.runtime.json_files import write_json
    from degas_lab.sizes import Sizes
    from degas_lab.speed.benchmark import run_benchmark
    from degas_lab.speed.table import plot

    reject_unwritable(options.out)
    for name in options.objectives or ():
        OBJECTIVES.find(name, "--objectives")
    result = run_benchmark(
        Sizes(options.width, options.batch_images, options.image_size),
        parts=options.parts,
        objectives=options.objectives or (),
        rounds=options.rounds,
        growth=options.growth,
        seed=options.seed,
        clock=options.clock,
        engine=Engine(options.precision, options.device),
        command=command_line(),
    )
    write_json(options.out, result)
    picture = options.out.with_suffix(".png")
    plot(result, picture)
    tell(result)
    print(f"figures {options.out}, picture {picture}")


def tell(result: dict[str, Any]) -> None:
    """Print the table of times, shares of time, and bytes exchanged, as far as they were measured."""
    from rich.console import Console

    from degas_lab.speed.breakdown import in_words as shares_in_words
    from degas_lab.speed.communication import rows as communication_rows
    from degas_lab.speed.table import table

    timed = table(result)
    if timed.row_count:
        Console(width=124).print(timed)
    for name, shares in result.get("breakdown", {}).items():
        print(f"{name}: {shares_in_words(shares)}")
    if "communication" in result:
        print("\n".join(communication_rows(result["communication"])))
