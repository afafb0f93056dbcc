"""Pruning by measured losses, not by the size of α. After DARTS-PT (Wang et al. 2021).

On the supernet as the search left it, node by node in the graph's order, the loss is measured for each operation of
each edge into the node, on a fixed set of batches with their latents, batch norm by the batches' own statistics, for as
many of them as it may still be what is kept (`nas.decide.race`):

- `alone`: with the operation alone on its edge, as the architecture will have it (weight 1). A node keeps the operation
  of its direct edge with the least loss, and the one of its residual edges that is best against the edge's own `zero`.
- `perturbation`, DARTS-PT's: without the operation (weight 0, the others of its edge share its weight). A node keeps
  the operation whose removal hurts most, on a residual edge most beyond that of `zero`.

No residual edge is kept where `zero` is better on all (`zero_rule`). The node is then fixed to what it keeps, before
the next one is looked at. So the result is in the paper's space (§3.2).

Of the paper's two stages only the first differs: α of a residual edge has to beat that of the direct edge. Losses must
not be compared so: the direct edge is kept in any case, and the more a node hangs on it, the more of what its residual
edges are worth would be thrown away (docs/search.md). DARTS-PT itself takes edges in random order and selects a cell's
inputs by whole edges at the end; fixed order and one rule are our choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from degas.data.loader import Batches
from degas.errors import UserError
from degas.nas.decide.race import FACTOR, Race
from degas.nas.glo.glo import Glo
from degas.nas.supernet.supernet import Supernet
from degas.nets.normalisation import frozen_buffers
from degas.space.graph import ZERO, Edge, SearchSpace, Slot
from degas.space.pruning import Alpha, Compare, ZeroRule, node_options

# Of the rules of `pruning`: a residual edge's losses are weighed against that of its own `zero`.
LOSSES_COMPARE: Compare = "above_zero"


@dataclass(frozen=True)
class Perturbed:
    """`losses`: slot name → operation name → loss without it, or with it alone. `before`: node → loss with all."""

    losses: dict[str, dict[str, float]]
    before: dict[str, float]


def values_of(losses: Alpha, rule: str) -> dict[str, dict[str, float]]:
    """What is compared, more being better: the loss without an operation; with `alone`, less the loss with it alone."""
    sign = -1.0 if rule == "alone" else 1.0
    return {slot: {name: sign * loss for name, loss in of_slot.items()} for slot, of_slot in losses.items()}


def values_that_decided(pruning: Mapping[str, Any], alpha: Alpha) -> Alpha:
    """What a search's pruning went by, as its pruning.json has it: the measured losses' values, else its last α."""
    if "perturbation" not in pruning:
        return alpha
    return values_of(pruning["perturbation"]["losses"], pruning["rule"])


class Perturbation:
    """Measures a supernet whose weights and latents `glo` holds.

    Args:
        batches: where the loss is measured; at most the first `perturbation_batches` of them (`nas.decide.race`).
        tune_batches: of the weight steps between decisions, from `step` on, at the rate of that step.
        step: steps that the search has done.
        cost_shares: of each edge's operations (`penalties.cost_shares`): `cost_weight` times the cost of the mix is
            part of every loss, as it is of the search's; none for no such part.
    """

    def __init__(
        self,
        supernet: Supernet,
        glo: Glo,
        batches: Batches,
        tune_batches: Batches,
        *,
        step: int,
        cost_shares: Sequence[Tensor] = (),
    ) -> None:
        self.supernet, self.glo, self.settings = supernet, glo, glo.settings
        self.cost_shares = cost_shares
        self.alone = glo.settings.prune == "alone"
        self.batches, self.tune_batches, self.step = batches, tune_batches, step
        self.tuned = 0

    def measure(self, zero_rule: ZeroRule) -> Perturbed:
        """The losses of all nodes. Mixing rules are put back; weights and latents are not, where steps tune them."""
        space = self.supernet.space
        found = Perturbed({s.name: dict.fromkeys(space.operations(s), 0.0) for s in space.slots}, {})
        rules = [self.supernet.edge(slot).mixing_rule for slot in space.slots]
        try:
            for node in space.nodes[1:]:
                self._measure_node(node, found)
                self._keep(node, kept_at(node, values_of(found.losses, self.settings.prune), space, zero_rule))
                self._tune()
        finally:
            for slot, rule in zip(space.slots, rules, strict=True):
                self.supernet.edge(slot).mixing_rule = rule
        return found

    def _measure_node(self, node: str, found: Perturbed) -> None:
        """The loss as it is, and without each operation of each edge into `node`, or with it alone on its edge."""
        space = self.supernet.space
        masks = [(slot, name) for slot in space.incoming(node) for name in space.operations(slot)]
        race = self._race(masks)
        for number in range(self.settings.perturbation_batches):
            if not race.open:
                break
            measured = [masks[place] for place in race.open]
            as_it_is, *losses = self._losses(node, number, measured)
            _check(as_it_is, f"before {node} is decided")
            for (slot, name), loss in zip(measured, losses, strict=True):
                _check(loss, f"{'with' if self.alone else 'without'} {name} on {slot.name}")
            race.add(as_it_is, losses)
        found.before[node] = race.reference
        for (slot, name), loss in zip(masks, race.estimates(), strict=True):
            found.losses[slot.name][name] = loss

    def _race(self, masks: Sequence[tuple[Slot, str]]) -> Race:
        """One among the operations of the direct edge, one among those of all residual edges, as `kept_at` decides.

        A residual operation counts by how far it is from the `zero` of its edge; so `zero` itself is the same on each.
        Under a cap on size the second best may be what is kept: all are measured to the end.
        """
        zeros = {slot: place for place, (slot, name) in enumerate(masks) if name == ZERO}
        groups: list[str | None] = ["residual" if slot in zeros else "direct" for slot, _ in masks]
        for place in list(zeros.values())[1:]:
            groups[place] = None
        capped = (self.settings.max_params, self.settings.max_macs) != (None, None)
        baselines = [zeros.get(slot) for slot, _ in masks]
        return Race(groups, baselines, most=not self.alone, factor=math.inf if capped else FACTOR)

    @torch.no_grad()
    def _losses(self, node: str, number: int, masks: Sequence[tuple[Slot, str]]) -> list[float]:
        """The loss on batch `number`, as it is and as each of `masks` has it.

        What comes before `node` is the same for all of them, and computed once.
        """
        backbone, engine = self.supernet.backbone, self.glo.engine
        losses = torch.zeros(1 + len(masks), dtype=torch.float64, device=engine.device)
        batch = self.batches(number)
        latents = self.glo.table.rows[batch.index]  # (B, d)
        with frozen_buffers(self.supernet):
            with engine.autocast():
                maps = backbone.maps(latents, before=node)
            for place, mask in enumerate([None, *masks]):
                with self._masked(mask):
                    with engine.autocast():
                        fake_images = backbone.image(maps)
                    losses[place] = self._cost()
                losses[place] += torch.stack(list(self.glo.terms_of(fake_images, batch.images).values())).sum()
        engine.all_reduce_mean([losses])  # so that all ranks decide alike
        return losses.tolist()

    def _cost(self) -> Tensor | float:
        """The cost of the mix as it is masked, by its weight in the loss: Σ over edges of Σ_k w_k · share_k."""
        edges = (self.supernet.edge(slot) for slot in self.supernet.space.slots)
        terms = [(edge.weights() * share).sum() for edge, share in zip(edges, self.cost_shares, strict=False)]
        return self.settings.cost_weight * torch.stack(terms).sum() if terms else 0.0

    @contextmanager
    def _masked(self, mask: tuple[Slot, str] | None) -> Iterator[None]:
        """Within it, the operation is not part of its edge, or all of it."""
        if mask is None:
            yield
            return
        slot, name = mask
        edge = self.supernet.edge(slot)
        rule = edge.mixing_rule
        edge.mixing_rule = replace(rule, keep=tuple((its == name) is self.alone for its in edge.names))
        yield
        edge.mixing_rule = rule

    def _keep(self, node: str, edges: tuple[Edge, ...]) -> None:
        kept = {edge.source: edge.operation for edge in edges}
        for slot in self.supernet.space.incoming(node):
            edge, name = self.supernet.edge(slot), kept.get(slot.source, ZERO)
            edge.mixing_rule = replace(edge.mixing_rule, keep=tuple(its == name for its in edge.names))

    def _tune(self) -> None:
        for weight in self.glo.weights:
            weight.requires_grad_(True)
        for alpha in self.supernet.alphas():
            alpha.requires_grad_(False)
        for _ in range(self.settings.perturbation_tune_steps):
            self.glo.step(self.tune_batches(self.step + self.tuned), self.step)
            self.tuned += 1


def kept_at(node: str, values: Alpha, space: SearchSpace, zero_rule: ZeroRule) -> tuple[Edge, ...]:
    """What is kept at one node by what its losses are worth (`values_of`)."""
    firsts, seconds = node_options(values, space, node, compare=LOSSES_COMPARE, zero_rule=zero_rule)
    first, second = (max(options, key=lambda option: option[1])[0] for options in (firsts, seconds))
    assert first is not None
    return (first,) if second is None else (first, second)


def _check(loss: float, what: str) -> None:
    if not math.isfinite(loss):
        raise UserError(f"search: the loss {what} is {loss}; lower --search.weight-lr and --search.latent-lr")
