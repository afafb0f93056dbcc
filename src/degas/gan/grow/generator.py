"""The generators of a growing training: an ordinary one for each size, which takes over the one before and fades in."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from degas.gan.fresh import fresh_generator
from degas.gan.settings import CompleteGan
from degas.generator.config import sizes_of
from degas.generator.generator import Generator
from degas.nets.growing import HEAD_PARTS, Head, faded
from degas.runtime.rng import forked_rng
from degas.space.architecture import Architecture


class FadingGenerator(nn.Module):
    """A stage's ordinary generator, whose images fade in from those of the stage before.

    Args:
        generator: of the stage; its network has `last_maps` and `head`.

    Attributes:
        before: the image head of the stage before, on the last map but one that is up-sampled. After the fade it has no
            share in the images, and the result of the training does not contain it.
        fade: the share of the stage's own images, 0 to 1.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        with forked_rng(0, "head of the stage before"):  # which `take_over`, or a checkpoint, replaces
            self.before = Head(int(sizes_of(generator.config)["width"]), generator.channels)
        self.fade = 1.0
        self.noise_size, self.num_classes = generator.noise_size, generator.num_classes

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noise (N, noise_size), and labels (N,) if there are classes → images (N, channels, H, W) in [−1, 1]."""
        network = cast(Any, self.generator.network)
        before, last = network.last_maps(noise, labels)
        return faded(network.head(last), self.before(before), self.fade)

    def take_over(self, old: nn.Module) -> None:
        """Copy the weights and buffers of the stage before, a generator or a `FadingGenerator`; its head is `before`.

        The stage's own head, and the maps that the stage before did not have, are left as they were.
        """
        found = plain_generator(old).network.state_dict()
        trunk = {name: value for name, value in found.items() if not name.startswith(HEAD_STARTS)}
        own = self.generator.network.state_dict()
        for name, value in trunk.items():
            own[name].copy_(value)
        self.before.load_state_dict({name: found[name] for name in self.before.state_dict()})

    @torch.no_grad()
    def smaller(self) -> Generator:
        """A new generator that makes the images of the stage before, with its head and the weights of now."""
        own = self.generator.network.state_dict()
        with forked_rng(0, "generator of the stage before"):
            made = Generator(shortened_config(self.generator, 1)).to(next(self.parameters()))
        head = self.before.state_dict()
        made.network.load_state_dict({name: head.get(name, own[name]) for name in made.network.state_dict()})
        return made


HEAD_STARTS = tuple(f"{part}." for part in HEAD_PARTS)


def plain_generator(module: nn.Module) -> Generator:
    """The ordinary generator of a stage's module."""
    return module.generator if isinstance(module, FadingGenerator) else cast(Generator, module)


def shortened_config(generator: Generator, num_later: int) -> dict[str, Any]:
    """The configuration of the generator without its last `num_later` up-sampling stages."""
    config = dict(generator.config)
    if generator.architecture is not None:
        kept = generator.architecture.num_stages - num_later
        return {**config, "architecture": generator.architecture.shortened(kept).to_dict()}
    sizes = config["sizes"]
    return {**config, "sizes": {**sizes, "num_stages": sizes["num_stages"] - num_later}}


def generator_of_stage(final: Generator, settings: CompleteGan, num_later: int, seed: int) -> Generator:
    """The new generator of the stage before the last `num_later` ones; the last one's is `final` itself.

    Its weights are drawn as for a training at its size alone.
    """
    if not num_later:
        return final
    config = shortened_config(final, num_later)
    classes: dict[str, Any] = {"num_classes": final.num_classes, "class_names": final.class_names}
    if "architecture" in config:
        return fresh_generator(Architecture.from_dict(config["architecture"]), settings, seed, **classes)
    return fresh_generator(config["kind"], settings, seed, config["sizes"], **classes)
