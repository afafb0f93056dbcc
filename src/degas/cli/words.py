"""Architectures and scores as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas.architecture import Architecture


def operations_in_words(architecture: Architecture) -> str:
    """One line a node: what it is the sum of."""
    lines = []
    for node in architecture.graph.nodes[1:]:
        terms = [f"{edge.operation}({edge.source})" for edge in architecture.incoming(node)]
        lines.append(f"  {node:<5} = {' + '.join(terms)}")
    return "\n".join(lines)


def scores_in_words(scores: Mapping[str, Any]) -> str:
    """One line a protocol: value, spread where there is one, and what it was measured against."""
    width = max((len(protocol) for protocol in scores["scores"]), default=0)
    lines = []
    for protocol, score in scores["scores"].items():
        spread = f" ± {score['std']:.3g}" if score.get("std") is not None else ""
        lines.append(f"  {protocol:<{width}}  {score['value']:.4g}{spread}   ({score['reference']})")
    return "\n".join(lines)
