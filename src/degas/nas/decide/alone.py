"""The pruning rules by the loss with each operation alone on its edge, as in the architecture. Our choice.

The supernet's weights have learned with the mix, a weighted mean of many maps, which is two to three times smaller than
one map of unit variance. At the end of an edge that a batch norm follows this does not matter. Where a node adds edges,
it does: the operation alone outweighs the other edges, and those that lose least, `skip` and pools, look best.
"""

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


@register_rule("alone_scaled")
class AloneScaled(Alone):
    """`alone`, with each operation scaled to the rms of its edge's mix, the scale at which the other edges learned."""

    measured = "with each operation alone on its edge, at the scale of the mix"
    rescales = needs_mix = True
