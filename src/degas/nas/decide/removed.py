"""The pruning rule by the loss without each operation, after DARTS-PT (Wang et al. 2021); order and comparison ours."""

from __future__ import annotations

from degas.nas.decide.measuring import Measuring
from degas.nas.decide.rule import register_rule


@register_rule("perturbation")
class Removed(Measuring):
    """A node keeps the operation whose removal raises the loss most, on a residual edge relative to its `zero`.

    The other operations of the edge share the removed one's weight. DARTS-PT itself takes edges in random order and
    finally selects a cell's inputs by whole edges.
    """

    measured = "without each operation"
    mask, sign = "without", 1.0
    needs_mix = True

    def takes_part(self, operation: str, masked: str) -> bool:
        return operation != masked
