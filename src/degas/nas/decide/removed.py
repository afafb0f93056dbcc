"""The rule by the loss without each operation. After DARTS-PT (Wang et al. 2021); order and comparison are ours."""

from __future__ import annotations

from degas.nas.decide.measuring import Measuring
from degas.nas.decide.rule import register_rule


@register_rule("perturbation")
class Removed(Measuring):
    """A node keeps the operation whose removal hurts most, on a residual edge most beyond that of its `zero`.

    The others of the edge share the weight of the one that is removed. DARTS-PT itself takes edges in random order and
    selects a cell's inputs by whole edges at the end.
    """

    measured = "without each operation"
    mask, sign = "without", 1.0

    def takes_part(self, operation: str, masked: str) -> bool:
        return operation != masked
