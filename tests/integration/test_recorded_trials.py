"""docs/results/search-settings/trials.json: a row's command does what the row says, and the page's table has it.

A command that leans on a default turns wrong when the default moves, so each names the settings the rows differ in.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from degas.cli.options import SearchOptions
from degas.cli.parse import parse
from degas.nets.cost import architecture_cost
from degas.space.architecture import Architecture
from degas.space.graph import Edge, SearchSpace

DOCS = Path(__file__).parents[2] / "docs"
ROWS: list[dict[str, Any]] = json.loads((DOCS / "results/search-settings/trials.json").read_text(encoding="utf-8"))
NAMED = ("--search.num-epochs", "--search.schedule", "--search.prune")


def options_of(row: dict[str, Any]) -> SearchOptions:
    return parse(SearchOptions, "search", ["--data", "images", "--out", "run", *row["arguments"].split()])


def found(pattern: str, name: str) -> str | None:
    match = re.search(pattern, name)
    return match[1] if match else None


def said(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Setting → value that the row's name and keys say; what they do not say is the default's."""
    rate, decay = found(r"rate ([\d.e-]+)", name), found(r"decay ([\d.e-]+)", name)
    temperature = found(r"temperature 1 to ([\d.]+)", name)
    values = {
        "num_epochs": row["epochs"],
        "prune": row["prune"],
        "schedule": "joint" if name.startswith("joint") else "alternate",
        "alpha_lr": float(rate) if rate else None,
        "alpha_weight_decay": float(decay or 0),
        "temperature_end": float(temperature) if temperature else None,
        "relaxation": "gumbel" if "Gumbel" in name else "softmax",
        "perturbation_tune_steps": int(found(r"(\d+) tuning steps", name) or 0),
        "cost_weight": float(found(r"weight ([\d.]+) on the cost", name) or 0),
        "precision": "bfloat16" if "bfloat16" in name else "float32",
        "train_alpha": "not trained" not in name,
    }
    epochs = found(r"(\d+) epochs", name)
    assert epochs is None or int(epochs) == row["epochs"]
    assert "each operation alone" not in name.partition("repeated")[0] or row["prune"] == "alone"
    assert "removal" not in name or row["prune"] == "perturbation"
    return values


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['what']} {row['seed']}")
def test_a_rows_command_and_its_name_agree(row: dict[str, Any]) -> None:
    words = row["arguments"].split()
    assert [name for name in NAMED if name not in words] == []
    options = options_of(row)
    wanted = said(row["what"], row)
    assert {name: getattr(options.search, name) for name in wanted} == wanted
    assert options.seed == row["seed"]
    assert options.seeds == (int(seeds) if (seeds := found(r"consensus of (\d+) seeds", row["what"])) else None)
    size, base = found(r"searched at (\d+) px", row["what"]), found(r"base size (\d+)", row["what"])
    assert (options.data.image_size, options.space.base_size) == (int(size or 0) or None, int(base or 0) or None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['what']} {row['seed']}")
def test_a_rows_architecture_has_its_parameters(row: dict[str, Any]) -> None:
    kept = {(one["from"], node): one["operation"] for node, edges in row["nodes"].items() for one in edges}
    slots = [slot for slot in SearchSpace(3).slots if (slot.source, slot.target) in kept]
    edges = tuple(Edge(slot.source, slot.target, kept[slot.source, slot.target]) for slot in slots)
    cost = architecture_cost(Architecture(3, 1, 4, 32, 128, 3, edges))
    assert row.get("num_parameters", cost.num_parameters) == cost.num_parameters


def test_the_pages_table_has_a_row_for_every_fitted_search() -> None:
    """docs/evidence_search.py makes it; test_evidence.py compares the page."""
    page = (DOCS / "evidence/search-settings.md").read_text(encoding="utf-8")
    rows = page.partition("<!-- numbers: search settings -->")[2].partition("<!-- end -->")[0].strip().splitlines()[2:]
    assert len(rows) == sum("num_parameters" in row for row in ROWS) > 30
