"""The agreement of several searches, from agreement.json: one sentence, and a picture of each decision by seed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from degas.runtime.json_files import number

SAME, OTHER, INK, SOFT = "#cfe1f7", "#f9d5df", "#4a463e", "#8d877a"
MAX_WORDED = 12  # seeds; with more, the cells show only colours
ROW, HEAD, FOOT = 0.44, 0.5, 0.62  # inches
NAMES, SHARES, MARGINS, GAP = 1.15, 1.3, 2.3, 0.18


def draw_agreement(agreement: Mapping[str, Any], path: Path) -> None:
    """Write a PNG: for each decision the choice of each seed, the share of pairs that agree, and the margins.

    A cell is blue if the seed agrees with the consensus, else pink. `agreement` is the object of agreement.json. The
    same object gives the same file.
    """
    settings: Any = {"font.family": "DejaVu Sans", "font.size": 8}
    with matplotlib.rc_context(settings):
        figure = _figure(agreement)
        scratch = path.with_name(f".{path.name}.part")  # a fixed name, so that a killed process's rest is overwritten
        figure.savefig(scratch, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        os.replace(scratch, path)


def agreement_text(agreement: Mapping[str, Any]) -> str:
    """One sentence with the numbers: equal decisions, their interval, chance, τ; empty without them."""
    mean, total = number(agreement.get("mean_equal_decisions")), number(agreement.get("num_decisions"))
    seeds, by_chance = agreement.get("seeds"), number(agreement.get("chance"))
    if mean is None or total is None or by_chance is None or not isinstance(seeds, list):
        return ""
    tau = number(agreement.get("kendall_tau"))
    within = _interval(agreement.get("mean_equal_decisions_interval"), 1)
    words = f"{len(seeds)} seeds agree on {mean:.1f} of {total:.0f} decisions{within}, {by_chance:.1f} by chance"
    ranks = _interval(agreement.get("kendall_tau_interval"), 2)
    words += f"; Kendall's τ on an edge {tau:.2f}{ranks}" if tau is not None else ""
    stays = number(agreement.get("mean_consensus_without"))
    return words + (f"; without one of the seeds the consensus keeps {stays:.1f}" if stays is not None else "")


def _interval(value: Any, digits: int) -> str:
    ends = [number(end) for end in value] if isinstance(value, list) else []
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return ""
    return f" (95 %: {ends[0]:.{digits}f} to {ends[1]:.{digits}f})"


def _figure(agreement: Mapping[str, Any]) -> Any:
    from matplotlib.figure import Figure  # here, so that importing the module stays cheap

    records, seeds = agreement["decisions"], [str(seed) for seed in agreement["seeds"]]
    cell = 1.28 if len(seeds) <= MAX_WORDED else 0.3
    table = cell * len(seeds)
    width = NAMES + table + GAP + SHARES + GAP + MARGINS + GAP
    body = ROW * len(records)
    height = HEAD + body + FOOT
    figure = Figure(figsize=(width, height))

    def add(left: float, wide: float) -> Any:
        axes = figure.add_axes((left / width, FOOT / height, wide / width, body / height))
        axes.set_ylim(len(records), 0)
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=SOFT)
        return axes

    _draw_cells(add(NAMES, table), records, seeds)
    _draw_shares(add(NAMES + table + GAP, SHARES), records)
    _draw_margins(add(NAMES + table + 2 * GAP + SHARES, MARGINS), records, seeds)
    figure.text(0.08 / width, 0.14 / height, agreement_text(agreement), color=INK, fontsize=8.5)
    return figure


def _draw_cells(axes: Any, records: Sequence[Any], seeds: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    axes.set_xlim(0, len(seeds))
    axes.set_xticks(
        [k + 0.5 for k in range(len(seeds))], [f"seed {s}" if len(seeds) <= MAX_WORDED else s for s in seeds]
    )
    axes.xaxis.tick_top()
    for row, record in enumerate(records):
        axes.text(-0.08, row + 0.5, record["name"], ha="right", va="center", color=INK, weight="bold")
        for column, seed in enumerate(seeds):
            choice = record["choices"][seed]
            colour = SAME if choice == record["consensus"] else OTHER
            axes.add_patch(Rectangle((column + 0.02, row + 0.06), 0.96, 0.88, facecolor=colour, linewidth=0))
            if len(seeds) <= MAX_WORDED:
                axes.text(column + 0.5, row + 0.5, _short(choice), ha="center", va="center", fontsize=6.8, color=INK)


def _draw_shares(axes: Any, records: Sequence[Any]) -> None:
    shares = [100 * record["share_of_pairs"] for record in records]
    axes.barh([row + 0.5 for row in range(len(records))], shares, height=0.5, color="#3f6fae")
    for row, share in enumerate(shares):
        axes.text(share + 3, row + 0.5, f"{share:.0f}", va="center", color=INK, fontsize=7)
    axes.set_xlim(0, 118)
    axes.set_xticks([50], ["pairs that agree, %"])
    axes.xaxis.tick_top()


def _draw_margins(axes: Any, records: Sequence[Any], seeds: Sequence[str]) -> None:
    for row, record in enumerate(records):
        axes.axhline(row + 0.5, color="#e7e2d8", linewidth=0.8, zorder=0)
        for same in (True, False):
            known = [record["margins"][s] for s in seeds if (record["choices"][s] == record["consensus"]) == same]
            values = [value for value in known if value is not None]
            axes.plot(
                values, [row + 0.5] * len(values), "o", color="#3f6fae" if same else "#b9567a", markersize=4, alpha=0.7
            )
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.locator_params(axis="x", nbins=5)
    axes.set_title("margin to the runner-up, one dot per seed", fontsize=8, color=SOFT, pad=6)
    axes.tick_params(labelsize=7)


def _short(choice: str) -> str:
    """A choice as two lines for a cell: `U0->U2 deconv_4x4`. The `nearest_…` operations have the longest names."""
    edge, _, operation = choice.rpartition(" ")
    return f"{operation}\nfrom {edge.partition('->')[0]}" if edge else operation
