"""The base of rules that compare measured losses, not the size of α.

The finished supernet is measured node by node, in the graph's order. For each operation of each edge into the node the
loss is measured on a fixed set of batches, with the batches' own batch-norm statistics, as long as the operation may
still win (`nas.decide.race`). A rule says which operations of the edge take part in this, and whether more or less
loss is better. The node then mixes only what it keeps, before the next node is measured. It keeps no residual edge if
`zero` is better on all of them (`zero_rule`). So the result is in the paper's space (§3.2).

Only the first of the paper's two stages differs: there, α of a residual edge must exceed that of the direct edge.
Losses cannot be compared in this way: the direct edge is always kept, and the more a node depends on it, the more of
the gain of its residual edges would be ignored (docs/search-rules.md).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from degas.errors import UserError
from degas.nas.decide.race import FACTOR, Race
from degas.nas.decide.rule import Rule, Searched, Values
from degas.nas.signal import total
from degas.nas.supernet.branch import NodeValue
from degas.nas.supernet.supernet import below_remaining
from degas.nets.normalisation import frozen_buffers
from degas.settings.sections import SearchSettings
from degas.space.graph import ZERO, Edge, SearchSpace, Slot
from degas.space.pruning import Alpha, Compare, choices, node_options, prune

Mask = tuple[Slot, str]  # an edge and one of its operations


class Measuring(Rule):
    """A rule whose values are losses times `sign` (−1 if less loss is better).

    Attributes:
        mask: "with" or "without", for messages.
        rescales: whether a masked edge keeps the rms of the whole mix.
    """

    mask: ClassVar[str]
    sign: ClassVar[float]
    rescales: ClassVar[bool] = False

    @abstractmethod
    def takes_part(self, operation: str, masked: str) -> bool:
        """Return whether `operation` is in the mix of its edge while `masked` of the same edge is measured."""

    @classmethod
    def conflict(cls, settings: SearchSettings) -> str | None:
        if settings.compare == "raw":
            return None
        return (
            f"--search.compare {settings.compare} compares α, but --search.prune {settings.prune} compares losses; "
            f"use --search.prune paper to prune by α"
        )

    @property
    def compare(self) -> Compare:
        """The comparison: a residual edge's losses against that of its own `zero`."""
        return "above_zero"

    def values(self, searched: Searched) -> Values:
        """Return the losses times the sign; pruning.json has the plain losses and the decisions by α alone."""
        alpha = searched.supernet.alpha_by_name()
        measured = Measurement(self, searched).measure()
        compared = self.worth(measured.losses)
        by_alpha = choices(prune(alpha, self.space, zero_rule=self.settings.zero_rule), self.space)
        chosen = choices(prune(compared, self.space, **self.comparison), self.space)
        differing = {name: choice for name, choice in by_alpha.items() if choice != chosen[name]}
        left = searched.supernet.left_by_name()  # nobody measured these
        losses = {
            slot: {name: loss for name, loss in of_slot.items() if name not in left.get(slot, ())}
            for slot, of_slot in measured.losses.items()
        }
        told = {"losses": losses, "before": measured.before, "by_alpha": differing}
        return Values(compared, {"perturbation": told})

    def worth(self, losses: Alpha) -> dict[str, dict[str, float]]:
        """Return the values to compare; larger is better."""
        return {slot: {name: self.sign * loss for name, loss in of_slot.items()} for slot, of_slot in losses.items()}

    def read(self, pruning: Mapping[str, Any], alpha: Alpha) -> Alpha:
        if "values" not in pruning and "perturbation" in pruning:  # as degas 0.1.0 wrote it
            return self.worth(pruning["perturbation"]["losses"])
        return super().read(pruning, alpha)

    def beside(self, found: list[dict[str, Any]], values: Alpha) -> dict[str, Any]:
        """Return no entry: DARTS' rule and other ways to compare α do not apply to losses."""
        return {"decisions": [{**decision, "differs_under": ()} for decision in found]}


@dataclass(frozen=True)
class Measured:
    """`losses`: slot name → operation name → loss with the rule's mask. `before`: node → loss of the whole mix."""

    losses: dict[str, dict[str, float]]
    before: dict[str, float]


class Measurement:
    """The measurement of a finished search, for one rule."""

    def __init__(self, rule: Measuring, searched: Searched) -> None:
        self.rule, self.settings = rule, rule.settings
        self.supernet, self.signal, self.cost_shares = searched.supernet, searched.signal, searched.cost_shares
        self.batches, self.tune_batches, self.step = searched.batches, searched.weight_batches, searched.step
        self.tuned = 0
        self.gains: dict[Mask, float] = {}  # of the node that is measured; empty if the rule does not rescale

    def measure(self) -> Measured:
        """Measure the losses of all nodes. Mixing rules are restored at the end; weights changed by steps are not."""
        space = self.supernet.space
        found = Measured({s.name: dict.fromkeys(space.operations(s), 0.0) for s in space.searched_slots}, {})
        mixing = [self.supernet.edge(slot).mixing_rule for slot in space.searched_slots]
        try:
            for node in space.searched_nodes:
                self.gains = self._measure_gains(node) if self.rule.rescales else {}
                self._measure_node(node, found)
                self._keep(node, kept_at(node, self.rule.worth(found.losses), space, self.rule.comparison))
                self._tune()
        finally:
            for slot, before in zip(space.searched_slots, mixing, strict=True):
                self.supernet.edge(slot).mixing_rule = before
        return found

    def _measure_node(self, node: str, found: Measured) -> None:
        """Measure the loss without a mask, and with one for each operation of each edge into `node`."""
        masks = self._masks(node)
        race = self._race(masks)
        for number in range(self.settings.perturbation_batches):
            if not race.open:
                break
            measured = [masks[place] for place in race.open]
            as_it_is, *losses = self._losses(node, number, measured)
            self._check(as_it_is, f"before {node} is decided")
            for (slot, name), loss in zip(measured, losses, strict=True):
                self._check(loss, f"{self.rule.mask} {name} on {slot.name}")
            race.add(as_it_is, losses)
        found.before[node] = race.reference
        for (slot, name), loss in zip(masks, race.estimates(), strict=True):
            found.losses[slot.name][name] = loss
        for slot in self.supernet.space.incoming(node):  # operations that have left the search rank last
            worth = {name: self.rule.sign * loss for name, loss in found.losses[slot.name].items()}
            worth = below_remaining(worth, self.supernet.edge(slot))
            found.losses[slot.name] = {name: self.rule.sign * value for name, value in worth.items()}

    @torch.no_grad()
    def _measure_gains(self, node: str) -> dict[Mask, float]:
        """Return rms(mix) / rms(masked mix) of each mask at `node`, on the first batch; 1 where the latter is 0.

        Each rank has the batch's share of its own, so the mean squares are averaged over the ranks.
        """
        engine, masks = self.signal.engine, self._masks(node)
        whole = [(slot, "") for slot in self.supernet.space.incoming(node)]  # no mask
        with frozen_buffers(self.supernet), engine.autocast():
            values = self.supernet.values(self.signal.inputs(self.batches(0).index), node)
            squares = torch.stack([self._mean_square(values, mask) for mask in [*whole, *masks]])
        engine.all_reduce_mean([squares])
        found = dict(zip([*whole, *masks], squares.sqrt().tolist(), strict=True))
        return {mask: found[mask[0], ""] / found[mask] if found[mask] else 1.0 for mask in masks}

    def _mean_square(self, values: Mapping[str, NodeValue], mask: Mask) -> Tensor:
        slot, name = mask
        with self._masked(mask if name else None):
            return self.supernet.edge(slot)(values[slot.source]).double().square().mean()

    def _masks(self, node: str) -> list[Mask]:
        """Every operation of every edge into `node` that has not left the search."""
        edges = [(slot, self.supernet.edge(slot)) for slot in self.supernet.space.incoming(node)]
        return [(slot, name) for slot, edge in edges for name in edge.names if edge.has(name)]

    def _race(self, masks: Sequence[Mask]) -> Race:
        """Race the operations of the direct edge, and those of all residual edges, as in `kept_at`.

        The value of a residual operation is its difference from the `zero` of its edge, so that `zero` has the same
        value on each. Under a cap on size the second best may be kept, so all are measured to the end.
        """
        zeros = {slot: place for place, (slot, name) in enumerate(masks) if name == ZERO}
        groups: list[str | None] = ["residual" if slot in zeros else "direct" for slot, _ in masks]
        for place in list(zeros.values())[1:]:
            groups[place] = None
        baselines = [zeros.get(slot) for slot, _ in masks]
        factor = FACTOR if self.rule.budget is None else math.inf
        return Race(groups, baselines, most=self.rule.sign > 0, factor=factor)

    @torch.no_grad()
    def _losses(self, node: str, number: int, masks: Sequence[Mask]) -> list[float]:
        """Return the loss on batch `number`, without a mask and with each of `masks`.

        The part before `node` is the same for all of them and is computed once.
        """
        backbone, engine = self.supernet.backbone, self.signal.engine
        losses = torch.zeros(1 + len(masks), dtype=torch.float64, device=engine.device)
        batch = self.batches(number)
        inputs = self.signal.inputs(batch.index)  # (B, d)
        with frozen_buffers(self.supernet):
            with engine.autocast():
                maps = backbone.maps(inputs, before=node)
            for place, mask in enumerate([None, *masks]):
                with self._masked(mask):
                    with engine.autocast():
                        fake_images = backbone.image(maps)
                    losses[place] = self._cost()
                losses[place] += total(self.signal.measure(fake_images, batch))
        engine.all_reduce_mean([losses])  # so that all ranks decide alike
        return losses.tolist()

    def _cost(self) -> Tensor | float:
        """Return the cost of the masked mix, times its weight in the loss: Σ over edges of Σ_k w_k · share_k.

        A gain changes no cost.
        """
        edges = (self.supernet.edge(slot) for slot in self.supernet.space.searched_slots)
        mixes = (edge.mixing_rule.shares(edge.alpha) for edge in edges)
        terms = [(weights * share).sum() for weights, share in zip(mixes, self.cost_shares, strict=False)]
        return self.settings.cost_weight * torch.stack(terms).sum() if terms else 0.0

    @contextmanager
    def _masked(self, mask: Mask | None) -> Iterator[None]:
        """Mask an edge inside the context: only the operations that the rule lets take part remain."""
        if mask is None:
            yield
            return
        slot, name = mask
        edge = self.supernet.edge(slot)
        before = edge.mixing_rule
        keep = tuple(edge.has(other) and self.rule.takes_part(other, name) for other in edge.names)
        edge.mixing_rule = replace(before, keep=keep, gain=self.gains.get(mask, 1.0))
        yield
        edge.mixing_rule = before

    def _keep(self, node: str, edges: tuple[Edge, ...]) -> None:
        kept = {edge.source: edge.operation for edge in edges}
        for slot in self.supernet.space.incoming(node):
            edge, name = self.supernet.edge(slot), kept.get(slot.source, ZERO)
            keep = tuple(other == name for other in edge.names)
            edge.mixing_rule = replace(edge.mixing_rule, keep=keep, gain=self.gains.get((slot, name), 1.0))

    def _tune(self) -> None:
        for weight in self.signal.weights:
            weight.requires_grad_(True)
        for alpha in self.supernet.alphas():
            alpha.requires_grad_(False)
        for _ in range(self.settings.perturbation_tune_steps):
            self.signal.step(self.tune_batches(self.step + self.tuned), self.signal.rate_share(self.step))
            self.tuned += 1

    def _check(self, loss: float, what: str) -> None:
        if not math.isfinite(loss):
            raise UserError(f"search: the loss {what} is {loss}; lower {self.signal.rates}")


def kept_at(node: str, values: Alpha, space: SearchSpace, comparison: Mapping[str, Any]) -> tuple[Edge, ...]:
    """Return the edges kept at one node, by values; larger is better."""
    firsts, seconds = node_options(values, space, node, **comparison)
    first, second = (max(options, key=lambda option: option[1])[0] for options in (firsts, seconds))
    assert first is not None
    return (first,) if second is None else (first, second)
