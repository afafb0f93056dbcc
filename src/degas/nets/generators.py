"""Generators by name: the registry of `resnet`, `dcgan` and users' own modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from degas.errors import UserError, nearest
from degas.runtime.registry import Registry, call_with, takes
from degas.runtime.rng import forked_rng

GeneratorMaker = Callable[..., nn.Module]
GENERATORS: Registry[GeneratorMaker] = Registry("generator", taken=("architecture",))
Maker = TypeVar("Maker", bound=GeneratorMaker)
RANGE = 1.001  # bound of image values: −1 … 1, apart from rounding


def register_generator(name: str) -> Callable[[Maker], Maker]:
    """Register a class or function that returns a module as the generator `--architecture NAME`.

    It is called with the keyword arguments that its signature names, out of `width`, `noise_size`, `base_size`,
    `num_stages`, `image_size` (= base_size·2^num_stages), `channels`, and `num_classes` (0 without labels). The module
    maps noise (N, noise_size), and labels (N,) if there are classes, to images (N, channels, image_size, image_size)
    in [−1, 1].
    """

    def register(maker: Maker) -> Maker:
        GENERATORS.add(name, maker)
        return maker

    return register


def registering_module(name: str) -> str:
    """The module to import before loading a saved generator of this name; empty for generators of degas."""
    module = GENERATORS.find(name, "generator").__module__
    if module == "__main__":
        module = Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").stem
    return "" if module.partition(".")[0] == "degas" else module


def check_registered(name: str, module: object, where: str) -> None:
    """Raise `UserError` if config.json's generator is not registered; say which module to import, if known."""
    if name in GENERATORS:
        return
    if isinstance(module, str) and module:
        raise UserError(
            f"{where}: the generator {name[:60]!r} is registered by the module {module[:60]!r}, which is not imported; "
            f"give --import {module[:60]} or the path of its file, or import it in Python"
        )
    raise UserError(f"{where}: unknown kind {name[:60]!r}{nearest(name, ['architecture', *GENERATORS])}")


def make_network(name: str, sizes: Mapping[str, int], num_classes: int, where: str) -> nn.Module:
    """A new network of the registered generator `name`, with initial weights."""
    maker = GENERATORS.find(name, where)
    if num_classes and not takes(maker, "num_classes"):
        raise UserError(f"{where}: the generator {name!r} takes no num_classes, so it cannot use labels")
    image_size = sizes["base_size"] * 2 ** sizes["num_stages"]
    return call_with(maker, {**sizes, "image_size": image_size, "num_classes": num_classes}, f"{where}: {name}")


def check_network(network: Callable[..., Tensor], sizes: Mapping[str, int], num_classes: int, name: str) -> None:
    """Try a module on two rows of noise; raise `UserError` if the images have the wrong shape or range."""
    assert isinstance(network, nn.Module)
    labels = (torch.zeros(2, dtype=torch.long),) if num_classes else ()
    with torch.no_grad(), forked_rng(0, "trial of a generator"):
        images = network.eval()(torch.zeros(2, sizes["noise_size"]), *labels)
    network.train()
    side = sizes["base_size"] * 2 ** sizes["num_stages"]
    if not isinstance(images, Tensor) or tuple(images.shape) != (2, sizes["channels"], side, side):
        found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise UserError(
            f"generator {name}: makes {found} of two rows of noise, not {(2, sizes['channels'], side, side)}; "
            "follow channels and image_size"
        )
    if not bool((images.abs() <= RANGE).all()):
        raise UserError(f"generator {name}: its images leave [−1, 1]; end it with a tanh")
