"""The curve along which rates fall. Standard library only."""

from __future__ import annotations

import math


def half_cosine(done: float, whole: float = 1.0) -> float:
    """1 at `done` 0, 0 at `whole`, along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * done / whole))
