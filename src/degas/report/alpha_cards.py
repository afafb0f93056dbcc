"""α over epochs, one card per edge: lines, a bar per operation, and the numbers for the page's slider."""

from __future__ import annotations

from degas.figures.curves import alpha_lines, operation_index
from degas.figures.facts import softmax
from degas.report.collect import Fields, Run

MANY_LINES = 4  # operations of an edge; where one has more, each chart takes a row of its own to be readable


def alpha_cards(run: Run, prefix: str) -> Fields | None:
    """The epochs and the cards, in the graph's order; None for a run without α. `prefix` makes ids unique."""
    if not run.alpha:
        return None
    names = [name for name in run.alpha[-1].values if all(name in record.values for record in run.alpha)]
    slots = {slot.name: slot for slot in run.architecture.graph.slots} if run.architecture else {}
    order = list(slots)
    names.sort(key=lambda name: order.index(name) if name in slots else len(order))
    kept = {f"{e.source}->{e.target}": e.operation for e in run.architecture.edges} if run.architecture else {}
    cards = []
    for k, name in enumerate(names):
        direct = slots[name].direct if name in slots else None
        cards.append({**_card(run, name, f"{prefix}-{k}"), "kept": kept.get(name), "direct": direct})
    rows = any(len(card["bars"]) > MANY_LINES for card in cards)
    return {"epochs": [record.epoch for record in run.alpha], "cards": cards, "one_a_row": rows}


def _card(run: Run, name: str, prefix: str) -> Fields:
    history = [record.values[name] for record in run.alpha]
    operations = list(history[-1])
    weights = [softmax(values) for values in history]
    last = weights[-1]
    source, _, target = name.partition("->")
    label = f"Mixing weights on {source} to {target} over {len(history)} epochs"
    return {
        "source": source,
        "target": target,
        "kind": "up" if target.startswith("U") else "normal",
        "bars": [
            {"name": o, "colour": operation_index(o), "alpha": history[-1][o], "share": last[o]} for o in operations
        ],
        "top": max(max(shares.values()) for shares in weights),
        "even": 1 / len(operations),
        "alpha": [[round(values.get(operation, 0.0), 4) for operation in operations] for values in history],
        "lines": alpha_lines(history, label=label, prefix=prefix) if len(history) > 1 else None,
    }
