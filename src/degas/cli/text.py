"""Architectures and scores as lines of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas.space.architecture import Architecture


def operations_in_words(architecture: Architecture) -> str:
    """Return one line per node: the operations that it sums, and whether they were given to the search."""
    lines = []
    for node in architecture.graph.nodes[1:]:
        terms = [f"{edge.operation}({edge.source})" for edge in architecture.incoming(node)]
        given = "  (given)" if architecture.is_given(node) else ""
        lines.append(f"  {node:<5} = {' + '.join(terms)}{given}")
    return "\n".join(lines)


def pictures_in_words(folder: Path) -> list[str]:
    """Return one line per picture of the fit in a search's folder: reconstructions, or what another signal wrote."""
    others = ("architecture", "agreement", "glo_samples")
    names = sorted(path.stem for path in folder.glob("*.png") if path.stem not in others)
    return [f"{name.replace('_', ' '):<15} {folder / name}.png" for name in names]


def decisions_in_words(pruning: Mapping[str, Any]) -> str:
    """Return pruning.json as text, one line per decision: choice, runner-up and margin."""
    found = pruning["decisions"]
    names, choices = (max((len(decision[key]) for decision in found), default=0) for key in ("name", "choice"))
    lines = []
    for decision in found:
        sure = (
            f"{decision['margin']:.4f} ahead of {decision['runner_up']}" if decision["runner_up"] else "no alternative"
        )
        lines.append(f"  {decision['name']:<{names}}  {decision['choice']:<{choices}}  {sure}")
    return "\n".join([*lines, *(f"  {line}" for line in _margin_lines(pruning))])


def polishes_in_words(folder: Path) -> list[str]:
    """Return one line per polish of the search in `folder`; a grown search has one per stage."""
    from degas.report.polish import polish_files, polish_words

    return [f"  polish: {polish_words(json.loads(path.read_bytes()))}" for path in polish_files(folder)]


def _margin_lines(pruning: Mapping[str, Any]) -> list[str]:
    """Return lines on the margins, on what would change the decisions, and on changes by a cap."""
    from degas.report.decisions import BY_ALPHA, by_losses, decided_by

    found, lines = pruning["decisions"], []
    if by_losses(pruning):
        lines.append(f"margins are in {decided_by(pruning)}")
        if "perturbation" in pruning:  # the consensus of several searches has none
            others = [f"{name} ({choice})" for name, choice in pruning["perturbation"]["by_alpha"].items()]
            lines[-1] += f"; α alone would change {', '.join(others) or 'nothing'}"
    else:
        differing = [f"{d['name']} ({', '.join(d['differs_under'])})" for d in found if d["differs_under"]]
        other = "another way to compare α across edges"
        lines.append(f"margins are in {decided_by(pruning) or BY_ALPHA[pruning['compare']]}; ")
        lines[-1] += f"{other} would change {', '.join(differing)}" if differing else f"{other} would change nothing"
    if "cap" in pruning:
        cap = pruning["cap"]
        changed = [f"{name} → {choice}" for name, choice in cap["changed"].items()]
        size = f"{cap['num_parameters']:,} parameters, {cap['multiply_adds']:,} multiply-adds"
        without = (
            f"{cap['without_cap']['num_parameters']:,} and {cap['without_cap']['multiply_adds']:,} without the cap"
        )
        lines.append(f"{size} ({without}); the cap changed {', '.join(changed) if changed else 'nothing'}")
    return lines


def agreement_in_words(agreement: Mapping[str, Any]) -> str:
    """Return agreement.json as text: a line of numbers, and one line per decision."""
    from degas.figures.agreement import agreement_text
    from degas.report.agreement import agreement_rows

    rows = agreement_rows(agreement)
    names, choices = (max((len(row[key]) for row in rows), default=0) for key in ("name", "consensus"))
    lines = [f"{agreement_text(agreement)}"]
    for row in rows:
        margins = f", margins {row['margins']}" if row["margins"] else ""
        others = f"; others {row['others']}" if row["others"] else ""
        lines.append(
            f"  {row['name']:<{names}}  {row['consensus']:<{choices}}  {row['seeds']:>5} of seeds{margins}{others}"
        )
    return "\n".join(lines)


def scores_in_words(scores: Mapping[str, Any]) -> str:
    """One line per protocol: value, spread if there is one, and reference; then the verdict."""
    from degas.report.verdict import verdict_on

    width = max((len(protocol) for protocol in scores["scores"]), default=0)
    lines = []
    for protocol, score in scores["scores"].items():
        spread = f" ± {score['std']:.3g}" if score.get("std") is not None else ""
        lines.append(f"  {protocol:<{width}}  {score['value']:.4g}{spread}   ({score['reference']})")
    found = verdict_on(scores)
    return "\n".join([*lines, found.sentence] if found is not None else lines)
