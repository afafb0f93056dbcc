"""A generator as an ONNX file or a `torch.export` program, checked against PyTorch before the file appears.

Both take noise (N, noise_size) float32, and labels (N,) int64 if the generator is conditional, for any N ≥ 1, and give
images (N, C, H, W) float32 in [−1, 1]. The file contains the generator's `config.json`.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from degas.errors import UserError, nearest
from degas.generator.generator import Generator, draw_labels, draw_noise
from degas.nets.normalisation import recalibrate
from degas.runtime.paths import expanded
from degas.runtime.torch_state import plain_torch

Format = Literal["onnx", "torch-export"]
FORMATS = ("onnx", "torch-export")
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MAX_BYTES = 2**31 - 2**20  # an ONNX file is one protobuf message, which is limited to 2 GiB
CHECK_BATCHES = (1, 2, 5)  # the example has 2: this checks that the file does not fix the number
TOLERANCE = 1e-4  # of a range of 2; one level of an 8-bit image is 8e-3 (our choice; observed errors: about 1e-6)
CONFIG_KEY = "degas_generator"

Runner = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Exported:
    """A written file, the largest absolute difference from PyTorch's images in [−1, 1], and a note."""

    path: Path
    largest_difference: float
    note: str = ""


@plain_torch()
def export_generator(generator: Generator, path: str | Path, file_format: Format = "onnx") -> Exported:
    """Write `generator` to the file `path` and compare the file with PyTorch at several batch sizes.

    The exported network uses stored batch-norm statistics. A generator with `sampling_bn` = batch has none for
    sampling, so a copy is recalibrated first (the mean of 20 batches of 100, as with `sampling_bn` = recalibrated).

    Raises:
        UserError: an unknown format, a missing extra, a file that cannot be written, a generator too large for ONNX.
        RuntimeError: the file's images differ from PyTorch's; no file is kept.
    """
    path = expanded(path)
    _check(generator, path, file_format)
    fixed, note = _fixed_statistics(generator)
    part = path.with_name(f".{path.name}.part{path.suffix}")
    write, load = (_write_onnx, _load_onnx) if file_format == "onnx" else (_write_program, _load_program)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _quiet():
            write(fixed, part)
            difference = largest_difference(fixed, load(part))
        if not difference <= TOLERANCE:
            raise RuntimeError(f"{path}: the exported network differs from PyTorch by {difference:.2g}; not written")
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --out") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Exported(path, difference, note)


@plain_torch()
@torch.no_grad()
def largest_difference(generator: Generator, run: Runner) -> float:
    """The largest absolute difference between the images of `run` and the generator, over several batch sizes.

    Noise and labels differ from those of the tracing. NaN if either output is not finite.
    """
    found = []
    for seed, n in enumerate(CHECK_BATCHES, start=1):
        noise = draw_noise(n, generator.noise_size, seed)
        labels = draw_labels(n, generator.num_classes, seed) if generator.num_classes else None
        expected, given = generator(noise, labels), run(noise, labels)
        if given.shape != expected.shape:
            raise RuntimeError(f"the exported network gives {tuple(given.shape)}, PyTorch {tuple(expected.shape)}")
        found.append((given - expected).abs().max())
    return float(torch.stack(found).max())


def _check(generator: Generator, path: Path, file_format: str) -> None:
    if file_format not in FORMATS:
        raise UserError(f"--format: unknown format {file_format!r}{nearest(file_format, FORMATS)}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file, such as {path / 'generator.onnx'}")
    if file_format != "onnx":
        return
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--format onnx needs {', '.join(missing)}; in degas' folder: pip install -e '.[export]'")
    size = sum(value.numel() * value.element_size() for value in generator.state_dict().values())
    if size > MAX_BYTES:
        raise UserError(
            f"{path}: the generator has {size >> 20} MiB, but ONNX is limited to 2 GiB; use --format torch-export"
        )


def _fixed_statistics(generator: Generator) -> tuple[Generator, str]:
    """A copy on the CPU in evaluation mode with stored statistics for sampling, and a note if they are new."""
    fixed: Generator = copy.deepcopy(generator).to("cpu", torch.float32).requires_grad_(False)
    if fixed.sampling_bn != "batch":
        return fixed.eval(), ""
    num_batches, n = 20, 100
    noise = draw_noise(num_batches * n, fixed.noise_size, seed=0)
    labels = draw_labels(num_batches * n, fixed.num_classes, seed=0) if fixed.num_classes else None

    def forward(k: int) -> None:
        rows = slice(k * n, (k + 1) * n)
        fixed(noise[rows], None if labels is None else labels[rows])

    recalibrate(fixed, forward, num_batches)
    fixed.sampling_bn = fixed.config["sampling_bn"] = "recalibrated"
    return fixed.eval(), "batch-norm statistics recalibrated: this generator samples with those of each batch"


def _example(generator: Generator) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Inputs for tracing, and their variable axes: axis 0, the batch."""
    batch = torch.export.Dim("batch")
    noise = draw_noise(2, generator.noise_size, seed=0)
    if not generator.num_classes:
        return (noise,), {"noise": {0: batch}}
    return (noise, draw_labels(2, generator.num_classes, seed=0)), {"noise": {0: batch}, "labels": {0: batch}}


def _write_onnx(generator: Generator, path: Path) -> None:
    import onnx

    arguments, dynamic = _example(generator)
    names = ["noise", "labels"][: len(arguments)]
    program = torch.onnx.export(
        generator, arguments, input_names=names, output_names=["images"], dynamic_shapes=dynamic, verbose=False
    )
    assert program is not None
    model = program.model_proto
    model.metadata_props.add(key=CONFIG_KEY, value=json.dumps(generator.config, ensure_ascii=False))
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))  # one file: weights inside


def _load_onnx(path: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(noise: Tensor, labels: Tensor | None) -> Tensor:
        feed = {"noise": noise.numpy()} | ({} if labels is None else {"labels": labels.numpy()})
        return torch.from_numpy(session.run(["images"], feed)[0])

    return run


def _write_program(generator: Generator, path: Path) -> None:
    arguments, dynamic = _example(generator)
    program = torch.export.export(generator, arguments, dynamic_shapes=dynamic)
    config = json.dumps(generator.config, ensure_ascii=False)
    with path.open("wb") as file:  # torch's own errors refer to its C++ code
        torch.export.save(program, file, extra_files={f"{CONFIG_KEY}.json": config})


def _load_program(path: Path) -> Runner:
    network = torch.export.load(path).module()
    return lambda noise, labels: network(noise) if labels is None else network(noise, labels)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about its internals (missing packages, deprecations), which are not for users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
