"""A grown search beside others: a record an architecture, costs of chains, the baselines, and the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from forced_pool import ORDERS as ENDS
from forced_pool import ForcedPool
from toy_gan import toy_images

from degas.cli.main import main
from degas.errors import UserError
from degas.nas.plateau import NothingLearnedError
from degas.runtime.distributed import Engine
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import ORDERS, Order, SearchSpace
from degas_lab import ahead
from degas_lab.fits import grown_summary, search_rows
from degas_lab.fits.grown import Grown, repeated, together
from degas_lab.fits.grown_plan import Plan
from degas_lab.fits.grown_summary import write_summary
from degas_lab.trials import AHEAD, Trials

SEARCH = SearchSettings(width=4, noise_size=6, batch_images=8, num_epochs=1, prune="paper", plateau_share=0.0)
COSTS = {"held_mib": 4.0, "search_multiply_adds": 2e6, "search_seconds": 8.0}
SPACE = SpaceSettings(normal_operations=("conv_1x1", "skip"))


def measurement(folder: Path, plan: Plan, size: int = 16) -> Grown:
    given: Any = {"engine": Engine(device="cpu"), "say": lambda line: None}
    return Grown(toy_images(16, size), SEARCH, SPACE, plan, folder, **given)


def test_every_row_is_found_fitted_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measurement(tmp_path, Plan(seeds=1, fit_epochs=1))
    found.measure()
    records = found.trials.records()
    assert set(records) == {f"{row}-s0" for row in ("at-once", "grown", "prefix", "repeated", "moved", "small")}
    sizes = {name: [stage["image_size"] for stage in one.get("stages", ())] for name, one in records.items()}
    assert sizes["at-once-s0"] == [16]
    assert sizes["grown-s0"] == sizes["prefix-s0"] == [8, 16]
    assert sizes["moved-s0"] == sizes["repeated-s0"] == [8]
    small = Architecture.from_dict(records["small-s0"]["architecture"])
    assert records["moved-s0"]["nodes"] == small.to_dict()["nodes"]
    assert records["repeated-s0"]["nodes"] == repeated(small).to_dict()["nodes"]
    # the first stage of both chains is the small search
    for row in ("grown-s0", "prefix-s0"):
        assert {node: records[row]["nodes"][node] for node in ("N1", "U1")} == small.to_dict()["nodes"]
    grown, whole = records["grown-s0"], records["at-once-s0"]
    assert grown["held_mib"] < whole["held_mib"]  # its last stage has one stage of mixed edges, not two
    assert grown["num_steps"] == 2 * whole["num_steps"] == 4
    assert all(0 < one["loss"] < 20 for name, one in records.items() if not name.startswith("small"))

    monkeypatch.setattr(search_rows, "fitted", lambda *_, **__: 1 / 0)  # everything is there: nothing is made again
    measurement(tmp_path, Plan(seeds=1, fit_epochs=1)).measure()
    summary = write_summary(records, tmp_path)
    assert [row["row"] for row in summary["rows"]] == ["at-once", "grown", "prefix", "repeated", "moved"]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (tmp_path / "losses.png").is_file()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches and fits that cost nothing; the search of seed 1 at half the size fails."""

    def search(self: Grown, images: Any, seed: int) -> tuple[Architecture, dict[str, Any]]:
        stages = images.image_size // 8
        if (seed, stages) == (1, 1):
            raise NothingLearnedError("search: nothing was learned")
        return Architecture(stages, 1, 4, 4, 8, 1, SearchSpace(stages).draw(seed)), COSTS

    def fit(found: Architecture, costs: dict[str, Any], *_: Any, **options: Any) -> dict[str, Any]:
        return {"loss": 0.5, "num_parameters": 10, **costs, "nodes": found.to_dict()["nodes"]}

    monkeypatch.setattr(Grown, "_search", search)
    monkeypatch.setattr(search_rows, "fitted", fit)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("choose", ["first", "last"])
def test_any_order_of_ends_gives_the_same_bytes(choose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what derives from a failed search."""
    pool = ForcedPool(ENDS[choose])
    monkeypatch.setattr(ahead, "make_pool", lambda options, folder: pool)
    monkeypatch.setattr(grown_summary, "draw", lambda *_: None)
    words = ["experiment", "grown-search", "--data", "digits", "--data.max-images", "16", "--data.image-size", "16"]
    words += ["--seeds", "2", "--rows", "repeated", "moved"]
    assert main([*words, "--out", str(tmp_path / "plain")]) == 0
    assert main([*words, "--out", str(tmp_path / "pool"), "--processes", "2"]) == 0
    made = [{one.name: one.read_bytes() for one in (tmp_path / k).rglob("*.json")} for k in ("plain", "pool")]
    assert made[0] == made[1]
    assert len(pool.order) == len(set(pool.order)) == 8
    assert set(pool.order[:4]) == {"at-once-s0", "at-once-s1", "small-s0", "small-s1"}
    assert json.loads(made[1]["moved-s1.json"])["failed"] == "search: nothing was learned"


@pytest.mark.usefixtures("made_up")
def test_a_small_search_that_no_process_made_is_no_result(tmp_path: Path) -> None:
    """What derives from it has no record, also not that of a failure, so that a second call makes it."""

    def helper(trials: Trials, missing: Mapping[str, Any]) -> dict[str, str]:
        for name in missing:
            if name != "small-s0":
                trials.make(name, missing[name])
        return {"small-s0": "killed"}

    found = measurement(tmp_path, Plan(rows=("moved",), seeds=1, fit_epochs=1))
    token = AHEAD.set(helper)
    try:
        with pytest.raises(UserError, match="trial small-s0 was not made: killed"):
            found.measure()
    finally:
        AHEAD.reset(token)
    assert set(found.trials.records()) == {"at-once-s0"}


def test_the_table_compares_within_seeds(tmp_path: Path) -> None:
    costs = {"num_parameters": 10, **COSTS}
    records: dict[str, dict[str, Any]] = {
        f"at-once-s{seed}": {"row": "at-once", "seed": seed, "loss": 0.5 + seed, **costs} for seed in range(3)
    }
    less = {**costs, "held_mib": 1.0, "search_multiply_adds": 1e6, "search_seconds": None}
    records |= {f"grown-s{seed}": {"row": "grown", "seed": seed, "loss": 0.4 + seed, **less} for seed in range(3)}
    records["grown-s3"] = {"row": "grown", "seed": 3, "failed": "search: nothing was learned"}
    summary = write_summary(records, tmp_path)
    assert summary["rows"][1]["against_at_once"]["difference"] == pytest.approx(-0.1)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[-1] == "| grown | 3 (1 failed) | 1e+06 (50 %) | 1.0 (25 %) |  | 10 | 1.4000 | better by 0.1000 |"


def test_costs_of_a_chain_add_up_and_its_memory_is_the_most() -> None:
    stage = {"step_multiply_adds": 10.0, "num_steps": 3, "held_mib": 2.0, "step_seconds": 0.5, "prune_seconds": 1.0}
    other = {**stage, "held_mib": 5.0, "num_steps": 2}
    found = together([stage, other])
    assert (found["search_multiply_adds"], found["held_mib"], found["num_steps"]) == (50.0, 5.0, 5)
    assert found["search_seconds"] == pytest.approx(0.5 * 5 + 2)
    assert together([stage, {**other, "step_seconds": None}])["search_seconds"] is None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_normal", [0, 1, 2])
def test_a_repeated_stage_has_the_decisions_of_the_one_before(num_normal: int, order: Order) -> None:
    for stages in (1, 2):
        for seed in range(5):
            edges = SearchSpace(stages, num_normal, order=order).draw(seed)
            found = repeated(Architecture(stages, num_normal, 4, 4, 8, 3, edges, order=order))
            assert found.num_stages == stages + 1
            assert found.edges[: len(edges)] == edges
            last = [edge.operation for edge in edges if edge.target[1] == str(stages)]
            assert [edge.operation for edge in found.edges[len(edges) :]] == last


def test_images_of_one_stage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"images of one stage cannot grow; give a larger --data\.image-size"):
        measurement(tmp_path / "new", Plan(), size=8)
    assert not (tmp_path / "new").exists()


def test_the_command_summarises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["experiment", "grown-search", "--data", "digits", "--data.max-images", "16", "--summary"]
    assert main([*command, "--out", str(tmp_path / "m")]) == 0
    assert capsys.readouterr().out.startswith("| search | seeds |")
