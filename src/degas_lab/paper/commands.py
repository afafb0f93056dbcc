"""The commands that make one row by hand, stage by stage: what the docs show and `--plan` prints. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas_lab.paper.rows import IMAGE_SIZES, NOISE_SIZE, Row, Search
from degas_lab.paper.scales import Scale

PRESET = ("--preset", "paper")


def row_commands(
    row: Row, seed: int, scale: Scale, sources: Mapping[str, str], folder: Path | str = "runs"
) -> list[str]:
    """One line a stage, in order; `resnet-equal` needs the width that the searched architecture leads to."""
    out, data = f"{folder}/{row.name}-s{seed}", sources[row.data]
    size = ("--data.image-size", IMAGE_SIZES[row.data])
    evaluate = (*PRESET, "--seed", seed, *size, *_options("evaluate", scale.evaluate))
    if row.maker == "real":
        return [_line("evaluate", "--images", data, "--data", data, "--out", f"{folder}/{row.name}", *evaluate)]
    lines, architecture = [], "resnet"
    if row.search is not None:
        architecture = f"{folder}/{row.search.name}-s{seed}"
        lines.append(search_command(row.search, seed, scale, sources, folder))
    if row.maker == "random":
        architecture = f"{folder}/{row.name}-s{seed}.json"
        sizes = ("--image-size", IMAGE_SIZES[row.data], "--width", scale.width, "--noise-size", NOISE_SIZE)
        order = ("--space.separable-order", "darts")
        lines.append(_line("random", "--from-alpha", "--seed", seed, *sizes, *order, "--out", architecture))
    if row.maker == "resnet-equal":
        architecture = "resnet"
    named = ("--architecture", architecture, "--data", data, "--out", out)
    lines.append(_line("train", *named, *PRESET, "--seed", seed, *size, *_options("gan", _gan_settings(row, scale))))
    lines.append(_line("evaluate", "--generator", out, "--data", data, "--out", out, *evaluate))
    return lines


def _gan_settings(row: Row, scale: Scale) -> dict[str, Any]:
    """The settings of a row's training."""
    width: int | str = "WIDTH" if row.maker == "resnet-equal" else scale.width
    found: dict[str, Any] = {**scale.gan, "objective": row.objective, "generator_width": width}
    found |= {"supervised": True} if row.labels else {}
    return found | ({"noise_size": row.noise_size} if row.noise_size is not None else {})


def search_command(
    search: Search, seed: int, scale: Scale, sources: Mapping[str, str], folder: Path | str = "runs"
) -> str:
    settings = {**search.rates(), "width": scale.width, **scale.search}
    data: dict[str, Any] = search.data_settings()
    data |= {"max_images": scale.search_images} if scale.search_images else {}
    named = ("--data", sources[search.data], "--out", f"{folder}/{search.name}-s{seed}")
    options = (*_options("data", data), *_options("space", search.space_settings()), *_options("search", settings))
    return _line("search", *named, *PRESET, "--seed", seed, *options)


def _options(section: str, values: Mapping[str, Any]) -> list[object]:
    words: list[object] = []
    for name, value in values.items():
        option = f"--{section}.{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--{section}.no-{name.replace('_', '-')}")
        else:
            words += [option, value]
    return words


def _line(*words: object) -> str:
    return "degas " + shlex.join(map(str, words))
