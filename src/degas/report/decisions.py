"""The decisions of a search, from pruning.json: by which values they were made, the choices, and how firm they are.

Foreign or damaged records are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas.figures.facts import DecisionFact
from degas.runtime.json_files import number

# The values by which the rules of degas 0.1.0 decided; its pruning.json does not say.
BY_LOSSES = {
    "alone": "the loss with each operation alone on its edge",
    "perturbation": "the loss without each operation",
}
BY_ALPHA = {
    "raw": "α",
    "centred": "centred α",
    "softmax_times_k": "the logarithm of the mixing weight",
    "above_zero": "α above that of zero",
}


def by_losses(pruning: Mapping[str, Any]) -> bool:
    """Return whether losses of the finished supernet decided, not α."""
    return isinstance(pruning.get("measured"), str) or _decided_before(pruning) in BY_LOSSES.values()


def decided_by(pruning: Mapping[str, Any]) -> str:
    """Return in words the values that decided, to which margins refer too; "" if they are not known."""
    said = pruning.get("decided_by")
    return said if isinstance(said, str) else _decided_before(pruning)


def _decided_before(pruning: Mapping[str, Any]) -> str:
    """`decided_by` for a file that does not record it."""
    by_alpha = {"paper": BY_ALPHA.get(str(pruning.get("compare", "raw")), "") if "decisions" in pruning else ""}
    return "" if "decided_by" in pruning else {**by_alpha, **BY_LOSSES}.get(str(pruning.get("rule", "paper")), "")


def decisions_of(pruning: Mapping[str, Any], moved: Mapping[str, str] | None = None) -> list[DecisionFact]:
    """The final decisions; one that a cap or a polish (`moved`) changed has its choice and no margin.

    Empty for DARTS' own rule, whose edges are not decided one by one.
    """
    if not decided_by(pruning):
        return []
    cap, perturbation = pruning.get("cap"), pruning.get("perturbation")
    changed = {**_mapping(_mapping(cap).get("changed")), **(moved or {})}
    before = _mapping(_mapping(perturbation).get("before"))
    found = []
    for record in records_of(pruning):
        name, loss = str(record.get("name")), number(before.get(record.get("node")))
        if name in changed:
            found.append(DecisionFact(name, str(changed[name]), before=loss))
            continue
        texts = {key: str(record.get(key) or "") for key in ("choice", "runner_up")}
        found.append(DecisionFact(name, **texts, margin=number(record.get("margin")), before=loss))
    return found


def records_of(pruning: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The well-formed records of decisions."""
    found = pruning.get("decisions")
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []


def firmness(pruning: Mapping[str, Any]) -> list[str]:
    """Sentences on the choice under other rules, on the changes by a cap, and on DARTS' own pruning."""
    records = records_of(pruning)
    sentences = [_against_alpha(pruning, len(records)), _capped(pruning)]
    if records and decided_by(pruning) in BY_ALPHA.values():
        sentences.append(_under_other_compares(pruning, records))
    cut = _mapping(pruning.get("darts")).get("disconnected")
    if isinstance(cut, list):
        words = f"cut off {', '.join(map(str, cut))}" if cut else "leave the graph connected here"
        sentences.append(f"DARTS' own pruning (the two strongest edges into a map) would {words}.")
    return [sentence for sentence in sentences if sentence]


def _against_alpha(pruning: Mapping[str, Any], num_decisions: int) -> str:
    """Return a sentence on how decisions by losses differ from those by α; "" if losses did not decide."""
    by_alpha = _mapping(pruning.get("perturbation")).get("by_alpha")
    if not by_losses(pruning) or not isinstance(by_alpha, dict):
        return ""
    names = ", ".join(map(str, by_alpha))
    share = f"{len(by_alpha)} of {num_decisions} decisions"
    return f"Decided by {decided_by(pruning)}; α alone would change {share}{names and ': '}{names}."


def _capped(pruning: Mapping[str, Any]) -> str:
    cap = _mapping(pruning.get("cap"))
    changed = cap.get("changed")
    if not isinstance(changed, dict):
        return ""
    limits = {"max_params": "parameters", "max_macs": "multiply-adds"}
    given = [f"{cap[key]:,} {unit}" for key, unit in limits.items() if isinstance(cap.get(key), int)]
    best = f"The best by {decided_by(pruning) or 'α'} within {' and '.join(given)}"
    return f"{best}; that changed {', '.join(map(str, changed)) or 'nothing'}."


def _under_other_compares(pruning: Mapping[str, Any], records: list[dict[str, Any]]) -> str:
    differing = [d for d in records if d.get("differs_under")]
    rules = sorted({str(r) for d in differing if isinstance(d["differs_under"], list) for r in d["differs_under"]})
    where = ", ".join(str(d.get("name")) for d in differing)
    also = f" would differ under another way to compare α ({', '.join(rules)}): {where}." if differing else ""
    compare = str(pruning.get("compare", "raw"))
    none = " would differ under another way to compare α across edges."
    return f"Compared by {compare} α, {len(differing)} of {len(records)} decisions{also or none}"


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
