"""`degas train`."""

from __future__ import annotations

from degas.cli.options import TrainOptions as Options
from degas.cli.parse import command_line

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    if options.dry_run:
        from degas.cli.dry_run import tell_train

        tell_train(options)
        return
    from degas.api import stages as api

    generator = api.train(
        options.architecture,
        options.source,
        options.out,
        init=options.init,
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
    if 0 < options.gan.stop_step < options.gan.num_steps:
        print(f"stopped after step {options.gan.stop_step:,} of {options.gan.num_steps:,}; continue with --resume")
