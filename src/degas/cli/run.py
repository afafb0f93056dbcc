"""`degas run`: every stage in order. A stage that is done is skipped, one that was cut short goes on."""

from __future__ import annotations

from typing import Any

from degas.cli.options import RunOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas import api
    from degas.cli.text import operations_in_words, scores_in_words
    from degas.data.sources import load_images
    from degas.figures.grids import save_grid
    from degas.report.model_card import write_model_card
    from degas.report.render import write_report
    from degas.runtime.environment import is_rank_0

    out = options.out
    print(f"loading {options.source}")
    images = load_images(options.source, options.data, options.out)
    print(f"{images.num_images:,} images, {images.channels}×{images.image_size}×{images.image_size}\n")
    api.refuse_in_vain(images, gan=options.gan, evaluate=options.evaluate, device=options.device)
    shared: dict[str, Any] = {
        "preset": options.preset,
        "seed": options.seed,
        "resume": True,
        "device": options.device,
        "progress": not options.quiet,
        "tracker": options.tracker,
        "data_settings": options.data,
        "space": options.space,
        "command": command_line(),
    }

    print("1. search")
    architecture = api.search(images, out, search=options.search_settings(), **shared)
    print(operations_in_words(architecture), "\n")

    print("2. train")
    generator = api.train(architecture, images, out, gan=options.gan, evaluate=options.evaluate, **shared)

    if not is_rank_0():  # of several processes one measures and reports
        return
    print("\n3. evaluate")
    folder = out / "train" / "generator"
    scores = api.evaluate(
        folder,
        images,
        out,
        preset=options.preset,
        seed=options.seed,
        device=options.device,
        progress=not options.quiet,
        data_settings=options.data,
        evaluate=options.evaluate,
        command=command_line(),
    )

    print("\n4. sample and report")
    save_grid(generator.sample(100, seed=options.seed), out / "samples.png", columns=10)
    write_model_card(out)
    report = write_report([out], out / "report.html")

    print()
    print(scores_in_words(scores))
    print(f"parameters      {generator.num_parameters:,}")
    print(f"architecture    {out / 'search' / 'architecture.json'}")
    print(f"generator       {folder}")
    print(f"samples         {out / 'samples.png'}")
    print(f"report          {report}")
