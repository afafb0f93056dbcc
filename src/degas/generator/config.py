"""A generator's `config.json`: made, read, and validated before memory is allocated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from degas.errors import UserError
from degas.nets import baselines  # noqa: F401 - registers resnet and dcgan
from degas.nets.generators import check_registered, registering_module
from degas.space.architecture import Architecture
from degas.space.graph import LIMITS, MAX_IMAGE_SIZE
from degas.space.json_file import MAX_FILE_BYTES

FORMAT = "degas-generator"
VERSION = 1
MAX_CLASSES = 10_000
SIZES = ("width", "noise_size", "base_size", "num_stages", "channels")
SamplingBn = Literal["recalibrated", "running", "batch"]


def make_config(
    kind: str, sizes: Mapping[str, Any], num_classes: int, class_names: Sequence[str], sampling_bn: str
) -> dict[str, Any]:
    """The configuration of a new generator; `sizes` is an architecture file's object or a registered one's sizes.

    `module` names the module that registers a user's own generator.
    """
    key = "architecture" if kind == "architecture" else "sizes"
    head = {"format": FORMAT, "version": VERSION, "kind": kind}
    tail = {"num_classes": num_classes, "class_names": list(class_names), "sampling_bn": sampling_bn}
    module = "" if kind == "architecture" else registering_module(kind)
    return {**head, **({"module": module} if module else {}), key: dict(sizes), **tail}


def checked_config(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The configuration, with every value validated before memory is allocated."""
    if not isinstance(config, Mapping) or config.get("format") != FORMAT or config.get("version") != VERSION:
        raise UserError(
            f"{where}: not a generator's config.json of version {VERSION}; update degas, or correct the path"
        )
    if config.get("kind") != "architecture":
        check_registered(str(config.get("kind")), config.get("module"), where)
    if config["kind"] == "architecture":
        sizes = {"architecture": Architecture.from_dict(config.get("architecture"), where).to_dict()}
    else:
        sizes = {"sizes": _checked_sizes(config.get("sizes"), where)}
    num_classes, names = config.get("num_classes"), config.get("class_names")
    if type(num_classes) is not int or not 0 <= num_classes <= MAX_CLASSES:
        raise UserError(f"{where}: num_classes must be a whole number from 0 to {MAX_CLASSES}")
    if (
        not isinstance(names, list)
        or any(not isinstance(name, str) for name in names)
        or len(names) not in (0, num_classes)
    ):
        raise UserError(f"{where}: class_names must be {num_classes} strings, or none")
    if config.get("sampling_bn") not in ("recalibrated", "running", "batch"):
        raise UserError(f"{where}: sampling_bn must be recalibrated, running or batch")
    return {**config, **sizes}


def _checked_sizes(sizes: Any, where: str) -> dict[str, int]:
    if not isinstance(sizes, dict) or set(sizes) != set(SIZES):
        raise UserError(f"{where}: 'sizes' must have exactly {', '.join(SIZES)}")
    for name, value in sizes.items():
        low, high = LIMITS[name]
        if type(value) is not int or not low <= value <= high:
            raise UserError(f"{where}: {name} must be a whole number from {low} to {high}")
    if sizes["base_size"] * 2 ** sizes["num_stages"] > MAX_IMAGE_SIZE:
        raise UserError(f"{where}: base_size·2^num_stages is over {MAX_IMAGE_SIZE} px")
    return dict(sizes)


def read_config(path: Path) -> Any:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise UserError(f"{path}: too large for a generator's config.json")
        return json.loads(content.decode("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; give the folder that `degas train` wrote") from None
    except RecursionError:
        raise UserError(f"{path}: not a generator's config.json: nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {one_line(error)}") from None


def sizes_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The sizes of any kind of generator: width, noise size, base size, number of stages, channels."""
    found: Mapping[str, Any] = config.get("architecture") or config["sizes"]
    return found


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
