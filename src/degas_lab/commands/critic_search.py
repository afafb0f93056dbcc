"""`degas experiment critic-search`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from degas.cli.arguments import Argument
from degas.cli.options import GENERATOR, Device
from degas.settings.base import setting
from degas.settings.sections import DataSettings
from degas_lab.commands.measurement import MeasurementOptions
from degas_lab.critics.search_plan import Plan

__all__ = ["Options", "main"]

LOWER = "--gan.width, --gan.batch-images, --power-images or --data.image-size"


class Options(Plan, MeasurementOptions):
    """Propose a critic: mixed operations are trained beside fixed generators, and those with most test power are kept.

    Writes FOLDER/critic: critic.json, search.json, metrics.jsonl, alpha.jsonl. Whether a critic is better only the
    generators that it trains can tell: train with `--gan.critic FOLDER` and compare scores over several seeds.
    """

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "degas experiment critic-search --generators runs/early runs/late --data digits --out runs/critic",
        "degas experiment critic-search --generators degas-digits --data digits --data.image-size 16 --out runs/critic",
    )
    generators: Annotated[tuple[str, ...], Field(min_length=1), Argument(metavar="GENERATOR")] = setting(
        ..., f"trained generators, such as one early, midway and late in its training; each a {GENERATOR}"
    )
    device: Device = setting("auto", "where to compute")
    quiet: bool = setting(False, "no progress")
    data: DataSettings = DataSettings()


def main(options: Options) -> None:
    from degas.cli.parse import command_line
    from degas.data.sources import load_images
    from degas.generator.find import generator_folder
    from degas.generator.generator import Generator
    from degas.runtime.distributed import Engine
    from degas.runtime.json_files import read_object
    from degas_lab.critics.results import in_words
    from degas_lab.critics.runner import run_critic_search

    options.check()  # before reading images
    generators = [Generator.load(generator_folder(each)) for each in options.generators]
    images = load_images(options.source, options.data, options.out)
    folder = options.out / "critic"
    with Engine("float32", options.device) as engine:
        run_critic_search(
            generators,
            images,
            options,
            folder,
            device=engine.device,
            command=command_line(),
            progress=not options.quiet,
        )
    found = read_object(folder / "search.json", missing=f"{folder}: holds no search.json", advice="give another --out")
    print(in_words(found["decisions"]))
    print(f"expected cost {found['expected_cost']:.2f} of the costliest critic's multiply-adds")
    print(f"critic        {folder / 'critic.json'}")
