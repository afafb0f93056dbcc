"""The paper's two pruning stages and DARTS' rule, written from their texts on flat lists, for the paper's own graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# target: (direct source, residual sources), for S stages and n = 1
Graph = dict[str, tuple[str, list[str]]]


def graph(num_stages: int) -> Graph:
    nodes: Graph = {}
    for i in range(1, num_stages + 1):
        nodes[f"N{i}"] = (f"U{i - 1}", [])
        nodes[f"U{i}"] = (f"N{i}", [f"U{j}" for j in (i - 2, i - 1) if j >= 0])
    return nodes


def paper_prune(alpha: Mapping[str, Mapping[str, float]], num_stages: int) -> set[tuple[str, str, str]]:
    """Raw α; a residual edge whose largest value is zero's is no candidate. No ties."""
    kept = set()
    for target, (direct, residual) in graph(num_stages).items():
        rows = []  # (α, is residual, source, operation)
        for source in [direct, *residual]:
            edge = alpha[f"{source}->{target}"]
            if source != direct and max(edge, key=lambda name: edge[name]) == "zero":
                continue
            rows += [(value, source != direct, source, name) for name, value in edge.items() if name != "zero"]
        first = max(rows)  # stage 1: the largest α over all incoming edges
        kept.add((first[2], target, first[3]))
        if first[1]:  # stage 2: it is residual, so add the best direct one
            second = max(row for row in rows if not row[1])
            kept.add((second[2], target, second[3]))
    return kept


def darts_prune(alpha: Mapping[str, Mapping[str, float]], num_stages: int) -> set[tuple[str, str, str]]:
    """As `genotype()` of DARTS: softmax, the two edges whose best operation other than none is largest."""
    kept = set()
    for target, (direct, residual) in graph(num_stages).items():
        ranked = []
        for source in [direct, *residual]:
            edge = alpha[f"{source}->{target}"]
            names = list(edge)
            powers = np.exp(np.array([edge[name] for name in names]))
            weights = dict(zip(names, powers / powers.sum(), strict=True))
            best = max((name for name in names if name != "zero"), key=lambda name: weights[name])
            ranked.append((weights[best], source, best))
        kept |= {(source, target, best) for _, source, best in sorted(ranked, reverse=True)[:2]}
    return kept
