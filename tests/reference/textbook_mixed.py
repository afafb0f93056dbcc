"""The oracle of the fast MixedOp: the one that `degas benchmark` times as the textbook's, so that there is one copy."""

from __future__ import annotations

from degas_lab.speed.textbook import TextbookMixedOp, copy_supernet, textbook_operation, textbook_supernet

__all__ = ["TextbookMixedOp", "copy_supernet", "textbook_operation", "textbook_supernet"]
