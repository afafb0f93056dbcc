"""Figures of the Evidence pages: rows of dots, with an interval where there is one, made from docs/results as SVG.

`python docs/evidence_pages.py` writes them into docs/figures/evidence; tests/integration/test_evidence.py compares.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from evidence_contest import CONTEST, by_generator
from evidence_search import DEFAULT, RESULTS, RULES, read, records
from evidence_trainings import UP_ROWS, final, last, lines

WIDTH, SIDE, ROW, TOP, LINE = 520, 24, 40, 6, 18  # pixels; narrow, so that a phone shows readable letters
LETTERS = 70  # of a line below the axis
BLUE, RED, GREY = "#3b6fb5", "#c4513c", "#d9d9d9"


@dataclass(frozen=True)
class Row:
    """A label, its dots, an interval around their mean if there is one, and whether it is the row of interest."""

    label: str
    values: Sequence[float]
    interval: tuple[float, float] | None = None
    marked: bool = False


def dots(rows: Sequence[Row], axis: str, reference: float | None = None) -> str:
    """An SVG with a line of dots per row over one axis; `reference` is a vertical line."""
    numbers = [value for row in rows for value in (*row.values, *(row.interval or ()))]
    numbers += [] if reference is None else [reference]
    ticks = ticks_of(min(numbers), max(numbers))
    low, high = ticks[0], ticks[-1]
    words = textwrap.wrap(axis, LETTERS)
    height = TOP + ROW * len(rows) + LINE * (len(words) + 2)

    def x(value: float) -> str:
        return f"{SIDE + (WIDTH - 2 * SIDE) * (value - low) / (high - low):.1f}"

    base = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="14">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for tick in ticks:
        parts.append(f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{TOP}" y2="{base}" stroke="{GREY}"/>')
        parts.append(f'<text x="{x(tick)}" y="{base + 18}" text-anchor="middle">{tick:g}</text>')
    if reference is not None:
        parts.append(f'<line x1="{x(reference)}" x2="{x(reference)}" y1="{TOP}" y2="{base}" stroke="#555"/>')
    for number, row in enumerate(rows):
        parts += row_parts(row, TOP + ROW * number, x)
    for number, line in enumerate(words):
        y = base + LINE * (number + 2) + 2
        parts.append(f'<text x="{WIDTH / 2}" y="{y}" text-anchor="middle" fill="#555">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def row_parts(row: Row, y: int, x: Callable[[float], str]) -> list[str]:
    """Label, and below it interval and dots, of the row that begins at height `y`."""
    colour = RED if row.marked else BLUE
    parts = [f'<text x="{SIDE}" y="{y + 14}">{escape(row.label)}</text>']
    y += 27
    if row.interval:
        ends = f'x1="{x(row.interval[0])}" x2="{x(row.interval[1])}"'
        parts.append(f'<line {ends} y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
    parts += [f'<circle cx="{x(value)}" cy="{y}" r="4.5" fill="{colour}" fill-opacity="0.6"/>' for value in row.values]
    return parts


def ticks_of(low: float, high: float) -> list[float]:
    """Four to nine round numbers from below `low` to above `high`."""
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / 3))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 7)
    first, end = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, end + 1)]


# ------------------------------------------------------------------------------------- the figures


def found_against_drawn() -> str:
    trials = records("found-vs-random/degas-cifar10")
    found = [r["loss_by_fit_seed"]["0"] for r in read("search-settings/trials.json") if r["what"] == DEFAULT]
    equal = [r["loss"] for name, r in trials.items() if name.startswith("equal-size")]
    rows = [
        Row("found, five searches", found, marked=True),
        Row("twenty drawn, of equal size", equal),
        Row("the largest of the space", [trials["biggest"]["loss"]]),
    ]
    return dots(rows, "GLO loss of the architecture fitted alone (lower is better)")


def against_evolution() -> str:
    trials = records("baselines/trials").values()
    by_kind = {kind: [r["loss"] for r in trials if r["kind"] == kind] for kind in ("found", "random", "evolution")}
    rows = [
        Row("found by the search", by_kind["found"], marked=True),
        Row("evolution's first population, drawn", by_kind["random"]),
        Row("evolution's children", by_kind["evolution"]),
    ]
    return dots(rows, "GLO loss of the architecture fitted alone (lower is better)")


def by_rule() -> str:
    fitted = [
        r for r in read("search-settings/trials.json") if "num_parameters" in r and "on the cost" not in r["what"]
    ]
    rows = [
        Row(
            words,
            [r["loss_by_fit_seed"]["0"] for r in fitted if r["prune"] == rule],
            marked=rule == "alone",
        )
        for rule, words in RULES.items()
    ]
    return dots(rows, "GLO loss of the found architecture fitted alone; all recorded searches, by pruning rule")


def up_sampling() -> str:
    found = lines("up-operations/16px.jsonl", "longer-16px.jsonl")
    names = {
        "conv-nearest,5e-4": "conv-nearest",
        "conv-deconv,5e-4": "conv-nearest with deconv_4x4",
        "conv-nearest-direct,5e-4": "conv-nearest, no residual edges",
        "pool-nearest,5e-4": "conv-nearest with avg_pool_3x3",
        "degas-cifar10-nearest,5e-4": "degas-cifar10-nearest (found)",
        "found,5e-4": "degas-cifar10 (found)",
        "found,1e-3": "degas-cifar10, rate 1e-3",
        "degas-cifar10-conv,5e-4": "degas-cifar10 with conv_3x3",
        "resnet-32,5e-4": "resnet",
    }
    clean = ("conv-nearest,5e-4", "conv-deconv,5e-4")
    rows = [
        Row(names[name], [1000 * kid for kid in final(found[name]).values()], marked=name in clean) for name in UP_ROWS
    ]
    return dots(rows, "KID·1000 after 2,100 steps at 16 px, a dot per seed (lower is better); red: the clean pair")


def few_images() -> str:
    from degas_lab.trainings.augmentation import summarise

    rows = []
    for data, folder in (("digits", "digits"), ("photographs", "photos-16")):
        paths = sorted((RESULTS / "augment" / folder / "trials").glob("*-seed-*.json"))
        for one in summarise([json.loads(path.read_text(encoding="utf-8")) for path in paths], "kid"):
            paired = one["paired"]
            label = f"{data}, {one['num_images']:,} images, {one['steps']:,} steps"
            worse = paired["verdict"] != "not told apart"
            rows.append(Row(label, [paired["difference"]], (paired["low"], paired["high"]), worse))
    return dots(rows, "KID with augmentation − without, 95 % interval over three seeds (below 0: better)", 0.0)


def labels() -> str:
    rows = []
    for words, folder in (
        ("r3gan, weight 1 (default)", "weight-1.0"),
        ("r3gan, weight 0.1", "weight-0.1"),
    ):
        for kind, record in sorted(records(f"label-agreement/{folder}").items(), reverse=True):
            rows.append(Row(f"{words}, {kind} labels", [100 * last(record)["agreement"]], marked=kind == "shuffled"))
    return dots(rows, "% of samples of the requested class; line: chance", 10.0)


DAMAGES = {"floor": "undamaged", "blur": "blur", "noise": "noise", "missing": "3 classes missing"}


def recall_of_damage() -> str:
    """Recall of 5,000 undamaged and damaged real images, by the trained network and by the same one untrained."""
    rows = []
    for extractor, words in (("imagenet", "trained"), ("random-imagenet", "untrained")):
        trials = records(f"sanity/{extractor}")
        for name, damage in DAMAGES.items():
            label = f"{words} network, {damage}"
            rows.append(Row(label, [trials[f"{name}_5k"]["recall"]], marked=words == "untrained"))
    return dots(rows, "recall of 5,000 real images against others (the first row of each network is its floor)", 0.0)


def winner_against_others() -> str:
    """Each new seed's Fréchet distance of the contest's winner minus the opponent's, with the verdict's interval."""
    scores, rows = by_generator(), []
    winner = read(f"{CONTEST}/rungs.json")[2]["standings"][0]["name"]
    for one in read("verdicts/digits.json")["comparisons"]:
        if one["metric"] == "fid":
            other = scores[one["against"]]
            seeds = sorted(set(other) & set(scores[winner]))[: one["num_seeds"]]
            differences = [scores[winner][seed] - other[seed] for seed in seeds]
            label = f"against {one['against']}, {one['num_seeds']} seeds: {one['verdict']}"
            rows.append(Row(label, differences, (one["low"], one["high"]), marked=one["verdict"] != "not told apart"))
    return dots(rows, "Fréchet distance of the contest's winner − the other's, 95 % interval (below 0: better)", 0.0)


def rates_of_the_paper() -> str:
    rows = [
        Row(name, [found["epoch_losses"][-1] / found["mean_image_loss"]], marked=name == "literal")
        for name, found in records("paper-rate/fifty-visits").items()
    ]
    rows.sort(key=lambda row: row.values[0])
    return dots(rows, "loss after fifty visits of every latent, as a share of the mean image's (lower is better)", 1.0)


FIGURES: dict[str, Callable[[], str]] = {
    "found-vs-drawn": found_against_drawn,
    "evolution": against_evolution,
    "search-settings": by_rule,
    "up-sampling": up_sampling,
    "augmentation": few_images,
    "labels": labels,
    "metrics": recall_of_damage,
    "contest": winner_against_others,
    "paper-rate": rates_of_the_paper,
}
