"""`degas export`."""

from __future__ import annotations

from degas.cli.options import ExportOptions as Options

__all__ = ["Options", "main"]


def main(options: Options) -> None:
    from degas.given import generator_folder
    from degas.nets.export import export_generator
    from degas.nets.generator import Generator

    generator = Generator.load(generator_folder(options.generator))
    written = export_generator(generator, options.out, options.format)
    inputs = f"noise (N, {generator.noise_size})" + (", labels (N,)" if generator.num_classes else "")
    sizes = f"(N, {generator.channels}, {generator.image_size}, {generator.image_size})"
    print(f"exported  {written.path} ({written.path.stat().st_size:,} bytes)")
    print(f"computes  {inputs} → images {sizes} in [−1, 1]")
    print(f"checked   largest difference from PyTorch {written.largest_difference:.1e}")
    if written.note:
        print(f"note      {written.note}")
