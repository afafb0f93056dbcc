"""`degas train`."""

from __future__ import annotations

from degas.cli.options import TrainOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    if options.dry_run:
        print(settings_table(options))
        return
    from degas import api

    generator = api.train(
        options.architecture,
        options.source,
        options.out,
        preset=options.preset,
        seed=options.seed,
        resume=options.resume,
        device=options.device,
        progress=not options.quiet,
        tracker=options.tracker,
        data_settings=options.data,
        space=options.space,
        gan=options.gan,
        evaluate=options.evaluate,
        command=command_line(),
    )
    print(f"generator {options.out / 'train' / 'generator'} ({generator.num_parameters:,} parameters)")


def settings_table(options: Options) -> str:
    """Every setting of the training with its value and where the value comes from."""
    from degas.gan.settings import resolve_gan, sources
    from degas.settings.presets import PRESETS

    gan = resolve_gan(options.gan)
    rows = [(name, repr(value), source) for name, value, source in sources(gan, PRESETS[options.preset].get("gan", {}))]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"gan.{name:<{widths[0]}}  {value:<{widths[1]}}  {source}" for name, value, source in rows)
