"""Tables of the Evidence page about other ways to search, from docs/results."""

from __future__ import annotations

from collections.abc import Callable

from evidence_search import records

from degas_lab.figures import markdown
from degas_lab.fits.variant_plan import CHANGES
from degas_lab.fits.variant_summary import describe, format_table

VARIANTS = "search-variants/trials"


def variants() -> str:
    """Every way to search at the default's multiply-adds, as `degas experiment search-variants` prints it."""
    trials = records(VARIANTS)
    rows = [describe(name, trials) for name in CHANGES]
    return format_table({"rows": [row for row in rows if row is not None]})


def at_equal_epochs() -> str:
    """The first seed's loss at the default's epochs, beside that at its multiply-adds; seconds of the pruning."""
    trials, rows = records(VARIANTS), []
    for name in CHANGES:
        found = [trials.get(f"{name}-{budget}-s0") for budget in ("epochs", "cost")]
        losses = ["" if one is None else f"{one['loss']:.4f}" for one in found]
        pruned = next(one for one in reversed(found) if one is not None)["prune_seconds"]
        rows.append([name, *losses, f"{pruned:.0f}"])
    return markdown(("search", "loss at equal epochs", "at equal multiply-adds", "pruning, s"), rows)


TABLES: dict[str, Callable[[], str]] = {"ways to search": variants, "ways to search, seed 0": at_equal_epochs}
