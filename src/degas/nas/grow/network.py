"""The supernet of a stage that takes over another one: it also makes the images of the earlier stages' sizes.

Each earlier stage has left its head on its map, an ordinary image head (BN, ReLU, conv 3×3, tanh). At the start its
images fade in from those of the stage before, as in progressive growing of GANs (Karras et al. 2018), there with a
critic, here with a reconstruction loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from degas.errors import UserError
from degas.nas.supernet.supernet import Supernet
from degas.nets.growing import HEAD_PARTS, Head, faded
from degas.space.graph import SearchSpace, stage_of


class GrownSupernet(Supernet):
    """A supernet with a head on each map of `heads`, the last maps of earlier stages, in the order of the graph.

    Attributes:
        fade: the share of this stage's own images in the images that it makes, 0 to 1; the rest are those of the stage
            before, each pixel repeated.
    """

    def __init__(self, space: SearchSpace, heads: Sequence[str], *, width: int, channels: int, **sizes: Any) -> None:
        super().__init__(space, width=width, channels=channels, **sizes)
        self.heads = nn.ModuleDict({node: Head(width, channels) for node in heads})
        self.fade = 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        return self.backbone(inputs) if self.fade >= 1.0 else self.all_sizes(inputs)[0]

    def all_sizes(self, inputs: Tensor) -> list[Tensor]:
        """Inputs (N, d) → images of this stage's size, then those of earlier ones, largest first."""
        maps = self.backbone.maps(inputs)
        images = [self.heads[node](maps.nodes[node]) for node in reversed(list(self.heads))]
        own = self.backbone.image(maps)
        if self.fade < 1.0:
            own = faded(own, images[0], self.fade)
        return [own, *images]

    def earlier_sizes(self) -> list[int]:
        """Pixels of the images of earlier stages, largest first."""
        return [self.backbone.base_size * 2 ** stage_of(node) for node in reversed(list(self.heads))]

    def earlier_weights(self) -> list[nn.Parameter]:
        """The weights that earlier stages have trained: first layer, given edges, and heads."""
        given = [slot for slot in self.space.slots if not self.space.is_searched(slot)]
        parts: list[nn.Module] = [self.backbone.linear, *(self.edge(slot) for slot in given), *self.heads.values()]
        return [weight for part in parts for weight in part.parameters()]

    def take_over(self, network: Mapping[str, Tensor], where: str) -> None:
        """Copy the weights and buffers of the stage before, a supernet's or a `GrownSupernet`'s state.

        Its own head becomes the last of `heads`. Raises `UserError` if `network` is of another search; `where` names
        it.
        """
        last, own_head = list(self.heads)[-1], tuple(f"backbone.{part}." for part in HEAD_PARTS)
        copied = set()
        for name, value in self.state_dict().items():
            found = network.get(name.replace(f"heads.{last}.", "backbone.", 1))
            if found is not None and found.shape == value.shape and not name.startswith(own_head):
                value.copy_(found)
                copied.add(name)
        earlier = {id(weight) for weight in self.earlier_weights()}
        if any(id(weight) in earlier and name not in copied for name, weight in self.named_parameters()):
            raise UserError(f"{where}: its weights do not fit the next stage; remove its folder and --resume")
