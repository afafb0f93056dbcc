"""Rules by the size of α: the paper's (§3.2 "Pruning phase"), and DARTS' own, which the paper argues against."""

from __future__ import annotations

from typing import Any

from degas.errors import UserError
from degas.nas.decide.rule import Rule, Searched, Values, register_rule
from degas.settings.sections import SearchSettings
from degas.space.graph import Edge
from degas.space.pruning import Alpha, Compare, prune_darts

BY_ALPHA: dict[Compare, str] = {
    "raw": "α",
    "centred": "centred α",
    "softmax_times_k": "the logarithm of the mixing weight",
    "above_zero": "α above that of zero",
}


@register_rule("paper")
class ByAlpha(Rule):
    """Each node keeps the operation with the largest α; if it is residual, also the best one of the direct edge."""

    def values(self, searched: Searched) -> Values:
        return Values(searched.supernet.alpha_by_name())

    @property
    def decided_by(self) -> str:
        return BY_ALPHA[self.compare]

    def beside(self, found: list[dict[str, Any]], values: Alpha) -> dict[str, Any]:
        """Return the edges that DARTS' rule would keep and the nodes that it would cut off."""
        darts = prune_darts(values, self.space)
        return {"darts": {"edges": [vars(edge) for edge in darts.edges], "disconnected": darts.disconnected}}


@register_rule("darts")
class Darts(ByAlpha):
    """Each node keeps its two strongest incoming edges. This may cut nodes off; then there is no generator."""

    decided_by = ""  # it keeps edges and makes no decisions
    decides_singly = False

    @classmethod
    def conflict(cls, settings: SearchSettings) -> str | None:
        if settings.max_params is None and settings.max_macs is None:
            return None
        return "--search.prune darts cannot keep within a cap on size; leave out one of them"

    def keep(self, values: Alpha) -> tuple[Edge, ...]:
        found = prune_darts(values, self.space)
        if found.disconnected:
            raise UserError(
                f"search: the darts pruning rule cuts off {', '.join(found.disconnected)}, so there is no generator to "
                f"build (pruning.json lists the kept edges); use --search.prune paper"
            )
        return found.edges
