"""The search step as a CUDA graph would take it, and as any GPU takes it: nothing in it waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graph_twins import SEARCHES
from recorder import ListRecorder, NeverRecords

import degas
from degas.errors import UserError
from degas.nas import state as searcher
from degas.nas.checks import check_settings
from degas.nas.glo.glo import Glo
from degas.nas.results import outputs
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.runtime.replay import WARM_UP_CALLS, Replayed
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SpaceSettings

Make = Callable[..., Any]
NUM_STEPS = WARM_UP_CALLS + 4


def steps_of(images: Any, settings: Any, recorder: Any) -> tuple[Search, list[dict[str, float]]]:
    search = Search(images, settings, SpaceSettings(), seed=0, engine=Engine(settings.precision, device="cpu"))
    if recorder is not None:
        search.replayed = Replayed(search._replayable, torch.device("cpu"), recorder)
    terms = [search.step(step) for step in range(NUM_STEPS)]
    return search, [{name: float(value) for name, value in values.items()} for values in terms]


def rows_of(search: Search) -> torch.Tensor:
    assert isinstance(search.signal, Glo)
    return search.signal.table.rows


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_a_replayed_search_is_the_same_search(changes: dict[str, Any], make_images: Make, make_settings: Make) -> None:
    """Bit for bit the step of the same float32 rates, and the plain one but for the rounding of its rates."""
    images, settings = make_images(), make_settings(**{"num_epochs": 8, **changes})
    recorder = ListRecorder()
    replayed, terms = steps_of(images, settings, recorder)
    assert recorder.num_recorded == 1
    same, same_terms = steps_of(images, settings, NeverRecords())
    assert terms == same_terms
    for mine, its in zip(replayed.supernet.state_dict().items(), same.supernet.state_dict().items(), strict=True):
        assert torch.equal(mine[1], its[1]), mine[0]
    assert torch.equal(rows_of(replayed), rows_of(same))
    assert torch.equal(replayed.epoch_loss, same.epoch_loss)

    plain, plain_terms = steps_of(images, settings, None)
    assert [list(values) for values in terms] == [list(values) for values in plain_terms]
    for mine, its in zip(terms, plain_terms, strict=True):
        assert mine == pytest.approx(its, rel=2e-2 if settings.precision == "bfloat16" else 1e-4)
    moved = (rows_of(plain) - rows_of(replayed)).abs().max()
    assert float(moved) < (1e-2 if settings.precision == "bfloat16" else 1e-5)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"relaxation": "gumbel"}, "--search.relaxation gumbel"),
        ({"paths": "two-path"}, "--search.paths two-path"),
        ({"leave": "anneal"}, "--search.leave anneal"),
        ({"temperature_end": 0.5}, "--search.temperature-end"),
        ({"beta_weight": 1.0}, "--search.beta-weight"),
        ({"schedule": "alternate", "alpha_batch": "held_out"}, "--search.alpha-batch held_out"),
        ({"schedule": "alternate", "order": "second", "weight_optimizer": "sgd"}, "--search.order second"),
    ],
)
def test_what_changes_from_step_to_step_is_refused(changes: dict[str, Any], named: str, make_settings: Make) -> None:
    settings = make_settings(cuda_graphs=True, **changes)
    with pytest.raises(UserError, match=f"{named} makes every step different"):
        check_settings(settings)


def test_without_a_gpu_they_are_refused(make_images: Make, make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(cuda_graphs=True)
    with pytest.raises(UserError, match=r"--search.cuda-graphs: CUDA graphs need a GPU"):
        degas.search(make_images(), tmp_path / "run", search=settings, device="cpu", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_search_lets_go_of_its_graph_before_it_prunes(
    make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A graph keeps the memory of a whole step, and holds its search as its search holds it."""
    recorders = [ListRecorder()]
    monkeypatch.setattr(searcher, "CudaGraphs", lambda: recorders[0])
    kept: list[Any] = []
    write = outputs.write_results
    monkeypatch.setattr(
        outputs,
        "write_results",
        lambda folder, its, step, **more: kept.append(its.replayed) or write(folder, its, step, **more),
    )
    settings = make_settings(num_epochs=3, cuda_graphs=True)
    with StageFolder(tmp_path / "run", settings={}, resume=False, kind="search") as folder:
        run_search(
            make_images(), settings, SpaceSettings(), seed=0, folder=folder, engine=Engine(device="cpu"), progress=False
        )
    assert recorders[0].num_recorded == 1
    assert kept == [None]
