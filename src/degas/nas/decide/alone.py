"""The pruning rule by the loss with each operation alone on its edge, as in the architecture. Default; our choice."""

from __future__ import annotations

from degas.nas.decide.measuring import Measuring
from degas.nas.decide.rule import register_rule


@register_rule("alone")
class Alone(Measuring):
    """A node keeps the direct operation with the least loss, and the residual one that gains most over its `zero`."""

    measured = "with each operation alone on its edge"
    mask, sign = "with", -1.0

    def takes_part(self, operation: str, masked: str) -> bool:
        return operation == masked
