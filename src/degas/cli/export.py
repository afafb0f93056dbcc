"""`degas export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from degas.cli.tool_options import ExportOptions as Options
from degas.errors import UserError

__all__ = ["Options", "main"]

ENDINGS: dict[str, Literal["onnx", "torch-export"]] = {".onnx": "onnx", ".pt2": "torch-export"}


def main(options: Options) -> None:
    from degas.generator.export import export_generator
    from degas.generator.find import generator_folder
    from degas.generator.generator import Generator

    file_format = chosen_format(options.format, options.out)
    generator = Generator.load(generator_folder(options.generator))
    written = export_generator(generator, options.out, file_format)
    inputs = f"noise (N, {generator.noise_size})" + (", labels (N,)" if generator.num_classes else "")
    sizes = f"(N, {generator.channels}, {generator.image_size}, {generator.image_size})"
    print(f"exported  {written.path} ({written.path.stat().st_size:,} bytes)")
    print(f"computes  {inputs} → images {sizes} in [−1, 1]")
    print(f"checked   largest difference from PyTorch {written.largest_difference:.1e}")
    if written.note:
        print(f"note      {written.note}")


def chosen_format(given: Literal["onnx", "torch-export"] | None, out: Path) -> Literal["onnx", "torch-export"]:
    """Return the given format, or that of the file's ending; `UserError` if they differ or neither names one."""
    ending = out.suffix.lower()
    by_ending = ENDINGS.get(ending)
    if given is None and by_ending is None:
        had = f"ends in {ending}" if ending else "is a folder" if out.is_dir() else "has no ending"
        raise UserError(f"--out {out}: {had}; name a file that ends in {' or '.join(ENDINGS)}, or give --format")
    if given is not None and by_ending not in (None, given):
        raise UserError(f"--out {out}: {ending} is the ending of --format {by_ending}; leave out --format {given}")
    chosen = given or by_ending
    assert chosen is not None
    return chosen
