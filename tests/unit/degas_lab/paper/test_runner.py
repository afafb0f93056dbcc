"""What a table does not make twice."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from degas_lab.paper.rows import TABLES, Row
from degas_lab.paper.runner import PaperTable
from degas_lab.paper.scales import SCALES
from degas_lab.trials import Trials

ROWS = {table: {row.name: row for row in rows} for table, rows in TABLES.items()}


@pytest.mark.parametrize(
    ("table", "row", "width", "seed", "known"),
    [
        ("1", "cifar10-resnet-equal", 16, 0, "cifar10-resnet"),
        ("1", "cifar10-resnet-equal", 16, 1, None),  # not trained yet
        ("1", "cifar10-resnet-equal", 17, 0, None),
        ("1", "cifar10-wgan-gp", 16, 0, None),
        ("2", "cifar10-labels-resnet-equal", 16, 0, "cifar10-labels-resnet"),
        ("4", "cifar10-resnet-equal", 16, 0, None),  # without the other row
    ],
)
def test_a_generator_as_large_as_degas_at_the_same_width_is_not_trained_twice(
    table: str, row: str, width: int, seed: int, known: str | None, tmp_path: Path
) -> None:
    for name in ("cifar10-resnet", "cifar10-labels-resnet", "cifar10-wgan-gp"):
        (tmp_path / f"{name}-s0.json").write_text(json.dumps({"row": name, "seed": 0}))
    place: Any = SimpleNamespace(rows=TABLES[table], scale=SCALES["small"], trials=Trials(tmp_path, {}))
    chosen: Row = ROWS[table][row]
    found = PaperTable._same_training(place, chosen, {"width": width}, seed)
    assert (found and found["row"]) == known
