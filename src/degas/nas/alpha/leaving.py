"""Operations that leave a search on its way, so that later steps compute less: three rules, all by α.

- `anneal`, after ASAP (Noy et al. 2019): the temperature falls, and an operation leaves once its mixing weight is below
  `leave_share` of an equal share.
- `shrink`, after P-DARTS (Chen et al. 2019): after the first and the second third of the search every edge keeps 5/8
  and 3/8 of its operations. P-DARTS also grows its network meanwhile; here the image size fixes the depth.
- `layers`, layer by layer: node after node, from noise to image, every edge into the node keeps its best operation.

Operations leave at the ends of epochs, except the last: the pruning rule decides among those that remain. `zero` never
leaves, since rules compare with it, and neither does an edge's best other operation. Our choice. What remains follows
from α after each epoch, so a resumed search finds it in alpha.jsonl.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from degas.nas.settings import CompleteSearch
from degas.nas.supernet.supernet import Supernet
from degas.settings.sections import SearchSettings
from degas.space.graph import ZERO, Slot
from degas.space.pruning import Alpha

KEPT_SHARES = (5 / 8, 3 / 8)  # of an edge's operations, after each third of the search: P-DARTS' 8, 5, 3

Operations = dict[str, float]  # an edge's remaining operations, without zero → α
Leaves = Callable[[Slot, Operations, float, int], set[str]]  # edge, operations, α of zero, finished epochs → who leaves


class Leaving:
    """The operations that remain on every edge of `supernet`; `settings.leave` names the rule, or is `never`."""

    def __init__(self, supernet: Supernet, settings: CompleteSearch) -> None:
        self.supernet, self.space, self.settings = supernet, supernet.space, settings
        self.rules: Mapping[str, Leaves] = {"anneal": self.below_share, "shrink": self.smallest, "layers": self.decided}

    def __call__(self, alpha: Alpha, epoch: int) -> None:
        """Let operations leave after `epoch` finished epochs (from 1), by α as logged then."""
        if self.settings.leave == "never" or epoch >= self.settings.num_epochs:
            return
        rule = self.rules[self.settings.leave]
        for slot in self.space.searched_slots:
            edge = self.supernet.edge(slot)
            values = {name: alpha[slot.name][name] for name in edge.names if edge.has(name) and name != ZERO}
            best = max(values, key=values.__getitem__)
            leaving = rule(slot, values, alpha[slot.name].get(ZERO, -math.inf), epoch) - {best}
            edge.remaining = tuple(edge.has(name) and name not in leaving for name in edge.names)

    def recall(self, history: Sequence[Alpha]) -> None:
        """Let those leave that had left a search before it was resumed; `history` holds α after every epoch."""
        for epoch, alpha in enumerate(history, start=1):
            self(alpha, epoch)

    def below_share(self, slot: Slot, values: Operations, zero: float, epoch: int) -> set[str]:
        """Operations whose weight softmax(α/τ) is below `leave_share` over the number of remaining operations."""
        start, end = self.settings.temperature, self.settings.temperature_end
        temperature = start * (end / start) ** (epoch / self.settings.num_epochs)
        most = max(zero, *values.values())
        powers = {name: math.exp((value - most) / temperature) for name, value in values.items()}
        of_zero = math.exp((zero - most) / temperature)
        count = len(values) + (zero > -math.inf)
        least = self.settings.leave_share / count * (sum(powers.values()) + of_zero)
        return {name for name, power in powers.items() if power < least}

    def smallest(self, slot: Slot, values: Operations, zero: float, epoch: int) -> set[str]:
        """All but the largest α, ⌈5/8⌉ or ⌈3/8⌉ of the edge's operations in the space."""
        thirds = min(3 * epoch // self.settings.num_epochs, len(KEPT_SHARES))
        if not thirds:
            return set()
        candidates = sum(name != ZERO for name in self.space.operations(slot))
        kept = math.ceil(KEPT_SHARES[thirds - 1] * candidates)
        return set(sorted(values, key=lambda name: -values[name])[kept:])

    def decided(self, slot: Slot, values: Operations, zero: float, epoch: int) -> set[str]:
        """All operations into the first nodes, as many as epochs are over, in proportion (the best one stays)."""
        nodes = self.space.searched_nodes
        return set(values) if nodes.index(slot.target) < epoch * len(nodes) // self.settings.num_epochs else set()


def conflict(settings: SearchSettings) -> str | None:
    """Return the reason why `leave` excludes the other settings, or None."""
    if settings.leave == "never":
        return None
    if settings.paths != "all":
        return "removes operations from a mix, and --search.paths has none; leave out one of them"
    if settings.order == "second":
        return "removes weights that --search.order second would unroll; leave out one of them"
    if not settings.train_alpha:
        return "goes by α, which --search.no-train-alpha does not train; leave out one of them"
    return None
