"""Searching a cell: stages share α; against the same supernet with α of its own on every edge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from degas.errors import UserError
from degas.nas.checks import check_search
from degas.nas.stage import run_search
from degas.nas.supernet.supernet import Supernet
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.graph import SearchSpace

Make = Callable[..., Any]
SIZES: dict[str, Any] = {"base_size": 4, "width": 4, "noise_size": 6, "channels": 3}


def test_a_shared_alphas_gradient_is_the_sum_of_those_of_its_edges() -> None:
    torch.manual_seed(0)
    shared = Supernet(SearchSpace(2, share="stages"), alpha_std=1.0, **SIZES)
    alone = Supernet(SearchSpace(2), **SIZES)
    alone.load_state_dict(shared.state_dict())
    noise = torch.randn(3, 6)
    images = [supernet(noise) for supernet in (shared, alone)]
    assert torch.equal(*images)
    for made in images:
        made.square().sum().backward()
    assert len(shared.alphas()) == len(shared.space.roles) == 4
    assert len(alone.alphas()) == len(alone.space.slots) == 7
    for alpha, slots in zip(shared.alphas(), shared.space.roles.values(), strict=True):
        summed = torch.stack([alone.edge(slot).alpha.grad for slot in slots]).sum(0)  # type: ignore[arg-type]
        assert torch.allclose(alpha.grad, summed, rtol=1e-4, atol=1e-6)  # type: ignore[arg-type]
    weights = [len(list(supernet.weights())) for supernet in (shared, alone)]
    assert weights[0] == weights[1]


def test_a_search_finds_one_cell_and_resumes_with_it(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    images = make_images(16, size=16)  # two stages of base size 4
    settings = make_settings(prune="paper", alpha_lr=0.1, relaxation="gumbel", checkpoint_steps=2)
    with StageFolder(tmp_path, settings={}, resume=False, kind="search") as folder:
        found = run_search(
            images, settings, SpaceSettings(share="stages"), seed=0, folder=folder, engine=Engine(device="cpu"),
            progress=False,
        )  # fmt: skip
    kept = {(edge.source, edge.target): edge.operation for edge in found.edges}
    assert kept["U0", "N1"] == kept["U1", "N2"]
    assert kept["N1", "U1"] == kept["N2", "U2"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [({}, "--search.prune alone measures every stage"), ({"prune": "paper", "max_params": 9**9}, "a cap on the size")],
)
def test_what_would_decide_stage_by_stage_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        check_search(SearchSettings(**changes), SpaceSettings(share="stages"), image_size=32, channels=3)
