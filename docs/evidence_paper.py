"""The blocks of docs/paper-tables.md and docs/evidence/paper-small.md: rows, commands, expected cost, what came out."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from evidence_search import records

from degas_lab.figures import markdown
from degas_lab.paper.commands import row_commands, search_command
from degas_lab.paper.rows import IMAGE_SIZES, TABLES, Row, searches_of
from degas_lab.paper.scales import SCALES
from degas_lab.paper.summary import SEARCH_HEAD, in_words, plus_minus, search_cells, sizes_in_words, summarise

SOURCES = {"cifar10": "cifar-10-binary.tar.gz", "stl10": "stl10_binary.tar.gz", "celeba": "img_align_celeba.zip"}
NAMES = {"celeba": "CelebA, §4.1", "figure3": "Figure 3"}
VISITS, CRITIC_STEPS = 50, {"sn-gan": 5, "ct-gan": 5, "wgan-gp": 5, "cagan": 5}


def title(table: str) -> str:
    return NAMES.get(table, f"Table {table}")


def rows_table() -> str:
    """Every row: what it is, and the paper's numbers."""
    lines = []
    for table, rows in TABLES.items():
        for row in rows:
            printed = row.paper(table)
            numbers = ["", ""] if printed is None else [printed.inception_score or "", printed.fid or ""]
            lines.append([title(table), f"`{row.name}`", what(row), *numbers])
    return markdown(("table", "row", "what", "paper: IS", "paper: FID"), lines)


def what(row: Row) -> str:
    if row.maker == "real":
        return "real images"
    labels = ", with labels" if row.labels else ""
    if row.maker == "random":
        return "random α, pruned"
    if row.maker == "searched" and row.search is not None:
        return f"the architecture searched on `{row.search.name}`{labels}"
    equal = ", as large as DEGAS" if row.maker == "resnet-equal" else ""
    return f"CT-GAN's own generator{equal}, trained by `{row.objective}`{labels}"


def commands() -> str:
    """The commands of every row, as they would be typed, at the scale `paper`."""
    parts, known = [], set()
    for table, rows in TABLES.items():
        lines = [search_command(search, 0, SCALES["paper"], SOURCES) for search in searches_of(table)]
        for row in rows:
            lines += row_commands(row, 0, SCALES["paper"], SOURCES)
        fresh = [line for line in dict.fromkeys(lines) if line not in known]
        known |= set(fresh)
        if fresh:
            parts.append(f"{title(table)}:\n\n" + "\n".join(f"    {line}" for line in fresh))
    return "\n\n".join(parts) + "\n"


def cost_table() -> str:
    """Hours of each table at the scale `small`, from counts and measured times of a step."""
    measured = json.loads((Path(__file__).parent / "results" / "benchmark-32px-16-one-core.json").read_bytes())
    milliseconds = {name: measured[name]["ours_ms"] for name in ("search_step", "critic_step", "generator_step")}
    scale = SCALES["small"]
    assert scale.search_images is not None
    steps = VISITS * (scale.search_images // 64)
    lines = []
    for table, rows in TABLES.items():
        areas = [max(1.0, (search.pixels / 32) ** 2) for search in searches_of(table)]
        search_hours = len(scale.seeds) * sum(areas) * steps * milliseconds["search_step"] / 3.6e6
        train_hours = 0.0
        for row in rows:
            if row.maker != "real":
                rounds = CRITIC_STEPS[row.objective] * milliseconds["critic_step"] + milliseconds["generator_step"]
                area = (IMAGE_SIZES[row.data] / 32) ** 2 * scale.gan["batch_images"] / measured["sizes"]["batch_images"]
                train_hours += len(scale.seeds) * area * scale.gan["num_steps"] * rounds / 3.6e6
        trainings = len(scale.seeds) * sum(row.maker != "real" for row in rows)
        cells = [str(len(scale.seeds) * len(areas)), f"{search_hours:.1f}", str(trainings), f"{train_hours:.1f}"]
        lines.append([title(table), *cells, f"{search_hours + train_hours:.0f}"])
    head = ("table", "searches", "hours", "trainings", "hours", "together, hours")
    return markdown(head, lines)


def small(table: str) -> str:
    """A table at the scale `small`: the finished trials, means and 95 % intervals over seeds, the paper's numbers."""
    head = ("row", "seeds", "FID", "KID·1000", "FID against DEGAS", "parameters", "paper: IS", "paper: FID")
    lines = []
    for row in summarise(table, small_trials())["rows"]:
        printed = row["paper"] or {"is": None, "fid": None}
        scores = [plus_minus(row["scores"]["fid"], 1), plus_minus(row["scores"]["kid"], 1000)]
        against = in_words(row["against"]) if row["against"] else ""
        cells = [f"`{row['row']}`", str(len(row["seeds"])), *scores, against, sizes_in_words(row)]
        lines.append([*cells, printed["is"] or "", printed["fid"] or ""])
    return markdown(head, lines)


def small_searches() -> str:
    """What each search of tables 1 and 4 kept, and how many of its edges two seeds share."""
    return markdown(SEARCH_HEAD, search_cells(summarise("4", small_trials())))


def small_hours() -> str:
    """How many trials are finished, and their time: of searches and of trainings, without that of the evaluations."""
    found = small_trials().values()
    parts = []
    for kind, words in (("search", "searches"), ("row", "trainings")):
        timed = [record["seconds"] * record["num_threads"] for record in found if record.get("kind") == kind]
        parts.append(f"{len(timed)} {words}, {sum(timed) / 3600:.1f} hours of one core")
    return "; ".join(parts) + ": `docs/results/paper-small/trials`.\n"


def small_trials() -> dict[str, dict[str, Any]]:
    return records("paper-small/trials")


TABLES_OF_THE_PAPER = {
    "table 1 at small": partial(small, "1"),
    "table 4 at small": partial(small, "4"),
    "searches at small": small_searches,
    "hours at small": small_hours,
    "cost of the paper's tables": cost_table,
    "rows of the paper's tables": rows_table,
    "commands of the paper's rows": commands,
}
