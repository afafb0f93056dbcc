"""A critic that grows: for each doubling of the images one more halving in front; all other parts keep their weights.

The last stage has the critic of a plain training, whose first convolutions a 1×1 convolution from the images precedes,
so that every block is used at one size only and is taken over as it is. A stage before has a halving less, and so on:

    full size   images → 1×1 → down 1 → normal 1 → down 2 → normal 2 → ReLU, mean → scores
    half                        images → 1×1 → normal 1 → down 2 → normal 2 → …
    quarter                                            images → 1×1 → normal 2 → …

A new front fades in from the 1×1 convolution of the stage before on images of half the size (Karras et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from torch import Tensor, nn

from degas.data.image_set import ImageSet
from degas.gan.settings import CompleteGan
from degas.nets.critic import NO_DROPOUT, Critic
from degas.nets.critic_operations import build_critic_operation
from degas.nets.initialisation import biased_conv
from degas.nets.resampling import half
from degas.runtime.registry import call_with
from degas.runtime.rng import forked_rng
from degas.space.critic import CriticLayout
from degas.space.find_critic import shipped_critic


class Front(nn.Module):
    """Images (N, channels, H, W) → the map that the rest of the critic takes, (N, width, h, h).

    A convolution 1×1 from the images, then new operations. With `fades`, the sum of fade · theirs and (1 − fade) · a
    convolution 1×1 from images of half the size, which was the front of the stage before.

    Args:
        names: the operations, the last of which halves the map; none in the first stage.
    """

    def __init__(self, channels: int, width: int, names: Sequence[str], *, fades: bool) -> None:
        super().__init__()
        self.from_images = biased_conv(channels, width, 1)
        self.new = nn.Sequential(*(build_critic_operation(name, width) for name in names))
        self.before = biased_conv(channels, width, 1) if fades else None
        self.fade = 1.0

    def forward(self, images: Tensor) -> Tensor:
        x = cast(Tensor, self.new(self.from_images(images)))
        if self.before is None:
            return x
        # Up to the end of the stage, with share 0 after the fade: processes share the gradients of every weight.
        return self.fade * x + (1.0 - self.fade) * self.before(half(images))


def parts_of(layout: CriticLayout, image_size: int) -> list[list[str]]:
    """The operations that each doubling of the images adds, the last size's first, then those after the last halving.

    A skip is no operation.
    """
    stages = layout.at_size(image_size)
    normal = [[name for name in stage.normal if name != "skip"] for stage in stages]
    return [*([*before, stage.down] for before, stage in zip([[], *normal], stages, strict=False)), normal[-1]]


def most_halvings_less(settings: CompleteGan, image_size: int) -> int:
    """The most halvings that the first stage's critic can have less than the last one's: an operation must be left."""
    parts = parts_of(_layout(settings), image_size)
    return len(parts) - 1 if parts[-1] else len(parts) - 2


def critic_of_stage(settings: CompleteGan, images: ImageSet, number: int, num_later: int, seed: int) -> Critic:
    """The new critic of stage `number`, with weights drawn from `seed`.

    Args:
        images: of the stage's size.
        num_later: stages after this one, each with one more halving.
    """
    parts = parts_of(_layout(settings), images.image_size * 2**num_later)[num_later:]
    if not number:
        parts = [[], [name for part in parts for name in part]]
    sizes = {"width": settings.width, "channels": images.channels, "image_size": images.image_size}
    offered = {
        **sizes,
        "num_classes": images.num_classes if settings.supervised else 0,
        "output_size": settings.own.score_size,
        "dropout": NO_DROPOUT,
        "class_head": settings.own.class_head,
        **settings.own.critic_options,
    }
    with forked_rng(seed, "critic weights", number):
        front = Front(images.channels, settings.width, parts[0], fades=number > 0)
        rest = [build_critic_operation(name, settings.width) for part in parts[1:] for name in part]
        return call_with(partial(Critic, operations=[front, *rest]), offered, f"--gan.critic {settings.critic}")


def front_of(critic: nn.Module) -> Front:
    return cast(Front, cast(Critic, critic).image_block)


def take_over_critic(new: nn.Module, old: nn.Module) -> None:
    """Copy every weight of the critic `old` of the stage before into `new`, apart from its own front's."""
    own, before = cast(Critic, new), cast(Critic, old)
    front, front_before = front_of(own), front_of(before)
    assert front.before is not None
    pairs: list[tuple[nn.Module | None, nn.Module | None]] = [
        (front.before, front_before.from_images),
        (own.score, before.score),
    ]
    pairs += list(zip(_inner(own), [*front_before.new, *_inner(before)], strict=True))
    pairs += [(own.classify, before.classify), (own.project, before.project)]
    for target, source in pairs:
        if target is not None and source is not None:
            target.load_state_dict(source.state_dict())


def _inner(critic: Critic) -> list[nn.Module]:
    """The operations after the front, in order."""
    return [*critic.extra, *critic.blocks]


def _layout(settings: CompleteGan) -> CriticLayout:
    return settings.layout or shipped_critic("resnet")
