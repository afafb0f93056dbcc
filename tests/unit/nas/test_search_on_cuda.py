"""Search steps on a GPU as CUDA graphs, beside the ordinary ones; for the CPU's numbers see test_search_golden.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from graph_twins import SEARCHES, moved_alike, parameters
from torch import Tensor

from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import SpaceSettings

pytestmark = pytest.mark.gpu
Make = Callable[..., Any]


def state(search: Search) -> dict[str, Tensor]:
    return {**parameters(supernet=search.supernet), "latents": search.signal.table.rows.double().cpu().clone()}


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_graphs_move_as_ordinary_steps_do(changes: dict[str, Any], make_images: Make, make_settings: Make) -> None:
    """Over all steps of a search, in which the rates fall to a tenth."""
    runs = []
    for graphs in (False, True):
        settings = make_settings(**{"num_epochs": 3, **changes}, cuda_graphs=graphs)
        engine = Engine(settings.precision, device="cuda")
        runs.append(Search(make_images(), settings, SpaceSettings(), seed=0, engine=engine))
    start = state(runs[0])
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for search in runs:
            for step in range(search.total_steps):
                search.step(step)
    assert moved_alike(start, *map(state, runs))
