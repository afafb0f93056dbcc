"""`degas invert`."""

from __future__ import annotations

from degas.cli.options import InvertOptions as Options

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.api import stages as api

    errors = api.invert(
        options.generator,
        options.source,
        options.out,
        seed=options.seed,
        device=options.device,
        progress=not options.quiet,
        data_settings=options.data,
        invert=options.invert,
    )
    mean, of_mean = errors["mean_squared_error"], errors["mean_image_squared_error"]
    print(f"{errors['num_images']:,} images, squared error {mean:.4f}; the mean image alone has {of_mean:.4f}")
    print(f"latents {options.out / 'inversion' / 'latents.safetensors'}")
