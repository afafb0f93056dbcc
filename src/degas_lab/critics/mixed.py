"""The critic of a search: in each place the weighted sum of all candidates, weights = softmax(α) as in eq. 1.

With one-hot weights it equals the critic with the chosen operations (tests/unit/degas_lab/critics), except for dropout
where a skip is chosen: here dropout follows the last three places, there the last three operations that remain. The
candidates of a down place share the block's first convolution and its shortcut, which are the same in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degas.nets.cost import module_cost
from degas.nets.critic import Critic, CriticOutput
from degas.nets.critic_operations import BUILDERS, HALVED, build_critic_operation
from degas.nets.initialisation import GLOROT, biased_conv
from degas.nets.resampling import half
from degas_lab.critics.space import CriticSpace


class Mixed(nn.Module):
    """A weighted sum of candidates; `weights` (K,) are set before each forward pass."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.weights = torch.full((len(names),), 1.0 / len(names))


class MixedNormal(Mixed):
    """Σ_k w_k · operation_k(x), which keeps the size."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__(names)
        self.candidates = nn.ModuleList(build_critic_operation(name, width) for name in names)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([w * make(x) for w, make in zip(self.weights, self.candidates, strict=True)]).sum(0)


class MixedDown(Mixed):
    """A down block whose last part is Σ_k w_k · down operation_k: (N, C, H, W) → (N, width, ⌈H/2⌉, ⌈W/2⌉)."""

    def __init__(self, names: Sequence[str], channels: int, width: int, *, sees_images: bool) -> None:
        super().__init__(names)
        self.sees_images = sees_images
        self.conv1, self.shortcut = biased_conv(channels, width, 3), biased_conv(channels, width, 1, GLOROT)
        self.candidates = nn.ModuleList(BUILDERS[name](width) for name in names)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.conv1(x if self.sees_images else F.relu(x)))
        parts = []
        for name, weight, layer in zip(self.names, self.weights, self.candidates, strict=True):
            parts.append(weight * (HALVED[name](hidden, layer) if name in HALVED else layer(hidden)))
        return torch.stack(parts).sum(0) + self.shortcut(half(x))


class MixedCritic(nn.Module):
    """Images (N, channels, H, W) → `CriticOutput`, with a mixed operation in every place of `space`.

    `options` are `Critic`'s: sizes, dropout, spectral norm, form of the scores.
    """

    def __init__(self, space: CriticSpace, *, channels: int, width: int, **options: Any) -> None:
        super().__init__()
        places: list[Mixed] = []
        for k, slot in enumerate(space.slots):
            names = space.operations(slot)
            if slot.kind == "down":
                places.append(MixedDown(names, width if k else channels, width, sees_images=k == 0))
            else:
                places.append(MixedNormal(names, width))
        self.critic = Critic(operations=places, channels=channels, width=width, **options)
        self.places = dict(zip((slot.name for slot in space.slots), places, strict=True))  # the critic holds them

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Set the mixing weights of each place, by its name."""
        for name, place in self.places.items():
            place.weights = weights[name]

    def forward(self, images: Tensor) -> CriticOutput:
        output: CriticOutput = self.critic(images)
        return output


def costs(space: CriticSpace, *, channels: int, width: int, image_size: int) -> dict[str, Tensor]:
    """Place → multiply-adds of each candidate (K,), divided by those of the costliest critic of the space.

    A down place's costs include its block. So the expected cost, Σ of weight · cost, is in (0, 1].
    """
    found, size = {}, image_size
    for k, slot in enumerate(space.slots):
        given = channels if k == 0 else width
        with torch.device("meta"):
            x = torch.empty(1, given, size, size)
            modules = [
                build_critic_operation(name, width, channels=channels if k == 0 else None)
                for name in space.operations(slot)
            ]
            found[slot.name] = torch.tensor(
                [float(module_cost(each, x).multiply_adds) for each in modules], device="cpu"
            )
        size = -(-size // 2) if slot.kind == "down" else size
    most = sum(float(each.max()) for each in found.values())
    return {name: each / most for name, each in found.items()}
